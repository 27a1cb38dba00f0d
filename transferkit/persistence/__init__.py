"""Models as files: a JSON document and arrays, never code.

``_saving`` writes estimators, ``_document`` reads them, ``_reading`` all but the estimator. ``_parts`` is
what a document says of a model, whoever answers; ``_own_weights`` are those of a fine-tuned backbone;
``_schema`` is what it may hold, and ``_version0`` brings
documents of version 0 into that form; ``_file`` is the safetensors file. Estimators enter themselves by
``register_estimator``.
"""

from transferkit.persistence._document import load
from transferkit.persistence._own_weights import keep_weights, weights_of_closer_look
from transferkit.persistence._reading import SavedParts, read_parts
from transferkit.persistence._registry import ESTIMATORS, register_estimator
from transferkit.persistence._saving import save_collection, save_estimator

__all__ = [
    "ESTIMATORS",
    "SavedParts",
    "keep_weights",
    "load",
    "read_parts",
    "register_estimator",
    "save_collection",
    "save_estimator",
    "weights_of_closer_look",
]
