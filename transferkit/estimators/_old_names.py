"""Deprecated names of version 0: keywords are passed on to their new place, or raise an error."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from sklearn.base import clone

from transferkit.extraction import FeatureExtractor

_MOVED = frozenset(
    {"resize", "engine", "precision", "batch_size", "memory_limit", "cache", "value_range", "on_error",
     "isolate", "retry_failed", "progress"}
)  # fmt: skip


def takes_old_names(init: Callable[..., None]) -> Callable[..., None]:
    """Let a constructor also accept the keywords of version 0, without changing its signature."""

    @functools.wraps(init)
    def wrapper(self: Any, *arguments: Any, **named: Any) -> None:
        old = {name: named.pop(name) for name in list(named) if is_old(name)}
        init(self, *arguments, **named)
        if old:
            warn_of(type(self).__name__, old)
            extractor = FeatureExtractor() if self.extractor is None else clone(self.extractor)
            self.extractor = extractor.set_params(**old)

    return wrapper


def is_old(name: str) -> bool:
    """Return True for a keyword of version 0 that estimators no longer have."""
    return name in _MOVED or name == "validation_fraction"


def warn_of(owner: str, names: Iterable[str]) -> None:
    """Warn of old keywords, and say what to write instead.

    Raises
    ------
    TypeError
        The keyword is now a field of the head, which only the caller can choose.
    """
    if "validation_fraction" in names:
        raise TypeError(
            f"{owner} has no validation_fraction any more: it is a field of the heads that use it, such as "
            "head=MLPHead(validation_fraction=0.2)."
        )
    written = ", ".join(f"{name}=..." for name in names)
    warnings.warn(
        f"{owner}({written}) is the spelling of version 0. Pass extractor=FeatureExtractor({written}); how "
        "work is run can also be set for everything by transferkit.set_config() or config_context().",
        FutureWarning,
        stacklevel=4,
    )


def warn_attribute(old: str, new: str) -> None:
    """Warn of an attribute that has been renamed."""
    warnings.warn(f"{old} is the name of version 0; see {new}.", FutureWarning, stacklevel=3)
