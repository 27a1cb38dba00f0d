"""Keywords of version 0: they go where they belong now, or say so."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.base import clone

from transferkit.extraction import FeatureExtractor

_MOVED = frozenset(
    {"resize", "engine", "precision", "batch_size", "memory_limit", "cache", "value_range", "on_error",
     "isolate", "retry_failed", "progress"}
)  # fmt: skip


def moved(owner: str, old: dict[str, Any], extractor: Any) -> Any:
    """Return the extractor of an estimator that was given old keywords.

    Raises
    ------
    TypeError
        A keyword that there never was, or one whose value belongs to the head now.
    """
    if not old:
        return extractor
    check_names(owner, old)
    warn(owner, old)
    return (FeatureExtractor() if extractor is None else clone(extractor)).set_params(**old)


def check_names(owner: str, names: Any) -> None:
    """Raise TypeError for keywords that the extractor does not have."""
    if "validation_fraction" in names:
        raise TypeError(
            f"{owner} has no validation_fraction any more: it is a field of the heads that use it, such as "
            "head=MLPHead(validation_fraction=0.2)."
        )
    if unknown := sorted(set(names) - _MOVED):
        raise TypeError(f"{owner} got an unexpected keyword argument {unknown[0]!r}.")


def is_old(name: str) -> bool:
    """Return True for the old name of a setting."""
    return name in _MOVED or name == "validation_fraction"


def warn(owner: str, names: Any) -> None:
    """Warn of old keywords, with what to write instead."""
    written = ", ".join(f"{name}=..." for name in names)
    warnings.warn(
        f"{owner}({written}) is the spelling of version 0. Pass extractor=FeatureExtractor({written}); how "
        "work is run can also be set for everything by transferkit.set_config() or config_context().",
        FutureWarning,
        stacklevel=4,
    )


def warn_attribute(old: str, new: str) -> None:
    """Warn of an attribute that has other names now."""
    warnings.warn(f"{old} is the name of version 0; see {new}.", FutureWarning, stacklevel=3)
