"""Models as files: a JSON document and arrays, never code.

``_saving`` writes estimators, ``_document`` reads them, and ``_reading`` reads a model without its estimator.
``_parts`` are the parts of a model in a document; ``_own_weights`` handles the weights of a fine-tuned
backbone; ``_schema`` says what a document may contain, and ``_version0`` upgrades documents of version 0;
``_file`` is the safetensors file. Estimators register themselves with ``register_estimator``.
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
