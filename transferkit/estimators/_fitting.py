"""A fit happens as a whole or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

_Fit = TypeVar("_Fit", bound=Callable[..., Any])


def all_or_nothing(fit: _Fit) -> _Fit:
    """Let a fit that fails, or is interrupted, leave the estimator as it was.

    Half of a new model with half of an old one would predict, and wrongly. The parameters of a fit that
    succeeds are kept too: the model is saved with those, whatever is set afterwards.
    """

    @functools.wraps(fit)
    def whole(self: Any, *arguments: Any, **named: Any) -> Any:
        before = dict(vars(self))
        try:
            fitted = fit(self, *arguments, **named)
            self._parameters_ = self.get_params(deep=False)
            return fitted
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return whole  # type: ignore[return-value]
