"""Extract features from images: look up the cache, decode ahead, run the backbone, and store the results.

``_extraction`` runs an extraction. ``_parameters`` checks the parameters, and ``_settings`` resolves them to
a backbone, weights, a feature space and an engine. ``_stream`` looks up and computes features, with
``_pipeline`` (threads that read and decode ahead) and ``_batches`` (threads that run the backbone and write).
``_features`` is the result. ``_apart`` extracts a block without the cache, for workers on other machines.

Names that need scikit-learn, which takes a second to load, are imported on first use.
"""

from typing import TYPE_CHECKING

from transferkit.extraction._apart import extract_apart
from transferkit.extraction._extraction import Extraction, find_backbone
from transferkit.extraction._features import SIZE_PART, Features, encode_size
from transferkit.extraction._parameters import (
    as_cache,
    grid_problems,
    is_precomputed,
    isolation_seconds,
    parameter_problems,
    resolve,
)
from transferkit.extraction._report import ExtractionReport, Failure
from transferkit.foundation.lazy import lazy_names

if TYPE_CHECKING:
    from transferkit.extraction._activations import extract_activations
    from transferkit.extraction._extractor import FeatureExtractor
    from transferkit.extraction._speed import Speed, measure_speed

__all__ = [
    "SIZE_PART",
    "Extraction",
    "ExtractionReport",
    "Failure",
    "FeatureExtractor",
    "Features",
    "Speed",
    "as_cache",
    "encode_size",
    "extract_activations",
    "extract_apart",
    "find_backbone",
    "grid_problems",
    "is_precomputed",
    "isolation_seconds",
    "measure_speed",
    "parameter_problems",
    "resolve",
]

__getattr__ = lazy_names(
    __name__,
    {
        "FeatureExtractor": "_extractor",
        "Speed": "_speed",
        "extract_activations": "_activations",
        "measure_speed": "_speed",
    },
)
