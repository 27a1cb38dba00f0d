"""Transfer learning on images: frozen backbones, cached features, small heads.

>>> from transferkit import Classifier
>>> Classifier("vgg16")  # doctest: +SKIP
Classifier(backbone='vgg16')

Importing transferkit loads neither TensorFlow, Keras, scikit-learn nor matplotlib; each comes
with the first thing that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from transferkit._version import __version__ as __version__

if TYPE_CHECKING:
    from transferkit import cache, datasets, distributed, errors, heads, keypoints, metrics, plots
    from transferkit.auditing import audit, next_to_label, relabel
    from transferkit.backbones import (
        Backbone,
        check_backbone,
        get_backbone,
        list_backbones,
        list_layers,
        register_backbone,
    )
    from transferkit.cache import FeatureCache
    from transferkit.comparison import compare
    from transferkit.estimators import Classifier, ImageRegressor, KeypointRegressor
    from transferkit.evaluation import evaluate
    from transferkit.exports import export
    from transferkit.extraction import FeatureExtractor, extract_activations
    from transferkit.finetuning import FineTuned, fine_tune
    from transferkit.foundation.config import config_context, get_config, set_config
    from transferkit.monitoring import drift
    from transferkit.neighbours import NearestImages, load
    from transferkit.reporting import report

# Where each public name lives; imported on first use.
_HOMES = {
    "Backbone": "backbones",
    "Classifier": "estimators",
    "FeatureCache": "cache",
    "FeatureExtractor": "extraction",
    "FineTuned": "finetuning",
    "ImageRegressor": "estimators",
    "KeypointRegressor": "estimators",
    "NearestImages": "neighbours",
    "audit": "auditing",
    "check_backbone": "backbones",
    "compare": "comparison",
    "config_context": "foundation.config",
    "drift": "monitoring",
    "evaluate": "evaluation",
    "export": "exports",
    "extract_activations": "extraction",
    "fine_tune": "finetuning",
    "get_backbone": "backbones",
    "get_config": "foundation.config",
    "list_backbones": "backbones",
    "list_layers": "backbones",
    "load": "neighbours",  # the highest sub-package that enters something to load
    "next_to_label": "auditing",
    "register_backbone": "backbones",
    "relabel": "auditing",
    "report": "reporting",
    "set_config": "foundation.config",
}
_MODULES = {"cache", "datasets", "distributed", "errors", "heads", "keypoints", "metrics", "plots"}

__all__ = [
    "Backbone",
    "Classifier",
    "FeatureCache",
    "FeatureExtractor",
    "FineTuned",
    "ImageRegressor",
    "KeypointRegressor",
    "NearestImages",
    "__version__",
    "audit",
    "cache",
    "check_backbone",
    "compare",
    "config_context",
    "datasets",
    "distributed",
    "drift",
    "errors",
    "evaluate",
    "export",
    "extract_activations",
    "fine_tune",
    "get_backbone",
    "get_config",
    "heads",
    "keypoints",
    "list_backbones",
    "list_layers",
    "load",
    "metrics",
    "next_to_label",
    "plots",
    "register_backbone",
    "relabel",
    "report",
    "set_config",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"transferkit.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"transferkit.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'transferkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
