"""The registry of estimators that can be saved and loaded; each registers itself."""

from __future__ import annotations

from typing import TypeVar

_Kind = TypeVar("_Kind", bound=type)

ESTIMATORS: dict[str, type] = {}


def register_estimator(kind: _Kind) -> _Kind:
    """Register an estimator under the name of its class; used as a decorator."""
    ESTIMATORS[kind.__name__] = kind
    return kind


def name_of(estimator: object) -> str:
    """Return the name of an estimator's class, or of the registered one that it derives from."""
    return next(name for name, kind in ESTIMATORS.items() if isinstance(estimator, kind))
