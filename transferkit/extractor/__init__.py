"""From images to features: look up, decode ahead, run the backbone, write, hand out."""

from transferkit.extractor._activations import extract_activations
from transferkit.extractor._extractor import FeatureExtractor
from transferkit.extractor._features import Features
from transferkit.extractor._report import ExtractionReport, Failure
from transferkit.extractor._settings import as_cache, isolation_seconds, setting_problems
from transferkit.extractor._speed import Speed, measure_speed

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
