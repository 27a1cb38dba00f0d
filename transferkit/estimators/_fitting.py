"""A fit happens as a whole or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

_Fit = TypeVar("_Fit", bound=Callable[..., Any])


def snapshot(estimator: Any) -> Any:
    """Return an estimator of the same state, which shares everything but its attributes' names."""
    twin = object.__new__(type(estimator))
    twin.__dict__ = dict(vars(estimator))
    return twin


def all_or_nothing(fit: _Fit) -> _Fit:
    """Let a fit work on a twin, whose state the estimator takes on in one step at the end.

    Half of a new model with half of an old one would predict, and wrongly: after a fit that fails or is
    interrupted, and in a thread that predicts meanwhile. The parameters of a fit that succeeds are kept too:
    the model is saved with those, whatever is set afterwards.
    """

    @functools.wraps(fit)
    def whole(self: Any, *arguments: Any, **named: Any) -> Any:
        twin = snapshot(self)
        fit(twin, *arguments, **named)
        twin._parameters_ = twin.get_params(deep=False)
        self.__dict__ = vars(twin)
        return self

    return whole  # type: ignore[return-value]
