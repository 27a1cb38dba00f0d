"""From images to features: look up, decode ahead, run the backbone, write, hand out."""

from transferkit.extractor._activations import extract_activations
from transferkit.extractor._extractor import FeatureExtractor
from transferkit.extractor._features import Features
from transferkit.extractor._report import ExtractionReport, Failure

__all__ = ["ExtractionReport", "Failure", "FeatureExtractor", "Features", "extract_activations"]
