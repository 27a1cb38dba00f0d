"""Make ``fit`` atomic: it succeeds as a whole, or leaves the estimator unchanged."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

_Fit = TypeVar("_Fit", bound=Callable[..., Any])


def snapshot(estimator: Any) -> Any:
    """Return a shallow copy of an estimator."""
    twin = object.__new__(type(estimator))
    twin.__dict__ = dict(vars(estimator))
    return twin


def all_or_nothing(fit: _Fit) -> _Fit:
    """Let a fit work on a copy, whose state the estimator adopts in one step at the end.

    Otherwise an estimator could predict with a mixture of the old and the new model: after a fit that fails
    or is interrupted, or in another thread during the fit. The parameters of a successful fit are stored,
    too; the model is saved with these, even if others are set afterwards.
    """

    @functools.wraps(fit)
    def wrapper(self: Any, *arguments: Any, **keywords: Any) -> Any:
        twin = snapshot(self)
        fit(twin, *arguments, **keywords)
        twin._parameters_ = twin.get_params(deep=False)
        self.__dict__ = vars(twin)
        return self

    return wrapper  # type: ignore[return-value]
