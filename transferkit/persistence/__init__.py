"""Models as files: a JSON document and arrays, never code.

``_document`` writes and reads estimators; ``_schema`` is what a document may hold, and ``_version0`` brings
documents of version 0 into that form; ``_file`` is the safetensors file. Estimators enter themselves by
``register_estimator``.
"""

from transferkit.persistence._document import load, save_collection, save_estimator
from transferkit.persistence._registry import ESTIMATORS, register_estimator

__all__ = ["ESTIMATORS", "load", "register_estimator", "save_collection", "save_estimator"]
