"""Recover labels from the text in a spreadsheet, whatever their type was."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from transferkit.errors import quoted


class LabelWords:
    """Find labels by their text.

    Parameters
    ----------
    labels : sequence
        All possible labels. With None, any text is used as it is.
    """

    def __init__(self, labels: Sequence[Any] | None) -> None:
        self.labels = labels
        self._by_text = {str(label): label for label in labels or ()}

    def find(self, text: str) -> Any:
        """Return the label of a text, or None.

        Spreadsheets write ``1.0`` for 1, ``1`` for ``01`` and ``TRUE`` for True; so a text also matches a
        label that is the same number or truth value, if there is only one.
        """
        if self.labels is None:
            return text
        if text in self._by_text:
            return self._by_text[text]
        alike = [label for label in self.labels if _same_value(text, label)]
        return alike[0] if len(alike) == 1 else None

    def unknown(self, text: str) -> str:
        """Return the message for a text that is not a label, with the most similar labels."""
        lower = {str(label).casefold(): str(label) for label in self.labels or ()}
        near = [lower[word] for word in difflib.get_close_matches(text.casefold(), list(lower), n=2)]
        guess = f" Did you mean {quoted(near, 'or')}?" if near else f" Labels are {quoted(self._some())}."
        return f"{text!r} is no label of y.{guess}"

    def _some(self) -> list[str]:
        names = [str(label) for label in self.labels or ()]
        return names if len(names) <= 8 else [*names[:8], "..."]


def _same_value(text: str, label: Any) -> bool:
    if isinstance(label, bool):
        return text.casefold() == str(label).casefold()
    try:
        return float(text.replace(",", ".")) == float(label)
    except ValueError:
        return False
