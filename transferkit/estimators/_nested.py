"""Parameters of head and extractor as nested parameters of their estimator, for scikit-learn's searches.

``head__penalty`` replaces the head by a changed copy, since heads are frozen and estimators may share one.
``extractor__precision`` changes the extractor; if there is none yet, one with the defaults is created.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from transferkit.errors import InvalidInputError, quoted
from transferkit.estimators._extractor_owner import ExtractorOwner
from transferkit.estimators._old_names import is_old, warn_of
from transferkit.heads import get_head

_HEAD, _EXTRACTOR = "head__", "extractor__"


class NestedParameters(ExtractorOwner):
    """Parameters of an estimator, of its head and of its extractor."""

    head: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Include the fields of the head and the parameters of the extractor, if these are instances, as
            ``head__<field>`` and ``extractor__<name>``.

        Returns
        -------
        dict of str to object
        """
        found: dict[str, Any] = super().get_params(deep)
        head = found["head"]
        if deep and is_dataclass(head) and not isinstance(head, type):
            found |= {f"{_HEAD}{field.name}": getattr(head, field.name) for field in fields(head)}
        return found

    def set_params(self, **params: Any) -> NestedParameters:
        """Set parameters, also nested ones: ``head__penalty=0.1``, ``extractor__precision="bfloat16"``.

        Parameters
        ----------
        **params
            New values by name.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            There is no such parameter (InvalidInputError: no such field, or a value that cannot be used).
        """
        if old := [name for name in params if is_old(name)]:
            warn_of(type(self).__name__, old)
            params = {f"{_EXTRACTOR}{name}" if name in old else name: params[name] for name in params}
        changes = {
            name.removeprefix(_HEAD): value for name, value in params.items() if name.startswith(_HEAD)
        }
        own = {name: value for name, value in params.items() if not name.startswith(_HEAD)}
        super().set_params(**own)
        if changes:
            self.head = self._changed_head(changes)
        return self

    def _changed_head(self, changes: dict[str, Any]) -> Any:
        """Return a copy of the head with other fields."""
        head: Any = get_head(self.head)
        known = [field.name for field in fields(head)] if is_dataclass(head) else []
        if strange := [name for name in changes if name not in known]:
            raise InvalidInputError(
                f"{type(head).__name__} has no {quoted(strange, 'or')} to set by 'head__'. It has "
                f"{quoted(known) or 'none'}. Set head to another one, such as LinearHead()."
            )
        return replace(head, **changes)
