"""From images to features: look up, decode ahead, run the backbone, write, hand out."""

from transferkit.extraction._activations import extract_activations
from transferkit.extraction._extractor import FeatureExtractor
from transferkit.extraction._features import Features
from transferkit.extraction._report import ExtractionReport, Failure
from transferkit.extraction._settings import as_cache, isolation_seconds, setting_problems
from transferkit.extraction._speed import Speed, measure_speed

__all__ = [
    "ExtractionReport",
    "Failure",
    "FeatureExtractor",
    "Features",
    "Speed",
    "as_cache",
    "extract_activations",
    "isolation_seconds",
    "measure_speed",
    "setting_problems",
]
