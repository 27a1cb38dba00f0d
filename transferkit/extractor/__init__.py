"""From images to features: look up, decode ahead, run the backbone, write, hand out."""

from transferkit.extractor._activations import extract_activations
from transferkit.extractor._extractor import FeatureExtractor
from transferkit.extractor._features import Features
from transferkit.extractor._report import ExtractionReport, Failure
from transferkit.extractor._speed import Speed, measure_speed

__all__ = [
    "ExtractionReport",
    "Failure",
    "FeatureExtractor",
    "Features",
    "Speed",
    "extract_activations",
    "measure_speed",
]
