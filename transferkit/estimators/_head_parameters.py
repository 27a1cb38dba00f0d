"""Fields of a head as parameters of its estimator: ``head__penalty``, as in scikit-learn's searches.

Heads are frozen, since two estimators may share one: setting a field puts a changed copy in its place.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from sklearn.base import BaseEstimator

from transferkit.errors import InvalidInputError, quoted
from transferkit.heads import get_head

_PREFIX = "head__"


class HeadParameters(BaseEstimator):
    """Parameters of an estimator, and those of its head."""

    head: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Also the fields of a head that is an instance, as ``head__<field>``.

        Returns
        -------
        dict of str to object
        """
        found: dict[str, Any] = super().get_params(deep)
        head = found["head"]
        if deep and is_dataclass(head) and not isinstance(head, type):
            found |= {f"{_PREFIX}{field.name}": getattr(head, field.name) for field in fields(head)}
        return found

    def set_params(self, **params: Any) -> HeadParameters:
        """Set parameters, and fields of the head: ``head__penalty=0.1`` changes a copy of it.

        Parameters
        ----------
        **params
            By name.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            There is no such parameter (InvalidInputError: no such field, or a value that cannot be used).
        """
        own = {name: value for name, value in params.items() if not name.startswith(_PREFIX)}
        changes = {
            name.removeprefix(_PREFIX): value for name, value in params.items() if name.startswith(_PREFIX)
        }
        super().set_params(**own)
        if changes:
            head: Any = get_head(self.head)
            known = [field.name for field in fields(head)]
            if strange := [name for name in changes if name not in known]:
                raise InvalidInputError(
                    f"{type(head).__name__} has no {quoted(strange, 'or')} to set by 'head__'. It has "
                    f"{quoted(known) or 'none'}. Set head to another one, such as LinearHead()."
                )
            self.head = replace(head, **changes)
        return self
