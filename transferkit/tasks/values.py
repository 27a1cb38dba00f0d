"""Regression: one or several numbers for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.schema import check_keys


@dataclass(frozen=True)
class Values:
    """Find numbers, NaN where missing.

    Parameters
    ----------
    n_outputs : int
        Numbers for each image.
    single : bool, default=False
        Whether ``y`` has one dimension, and answers have too.
    names : tuple of str, optional
        Of the outputs, where ``y`` had names of columns.
    """

    n_outputs: int
    single: bool = False
    names: tuple[str, ...] | None = None

    kind: ClassVar[str] = "values"
    regression: ClassVar[bool] = True

    def encode(self, y: NDArray[Any]) -> NDArray[np.float64]:
        """Return targets (n, n_outputs)."""
        return np.asarray(y, dtype=np.float64).reshape(len(y), -1)

    def decode(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return answers in the layout of ``y``."""
        return outputs[:, 0] if self.single else outputs

    def strata(self, targets: NDArray[Any]) -> None:
        """Return what a split should keep the shares of: nothing."""

    def to_json(self) -> dict[str, Any]:
        """Return the task as JSON data."""
        data: dict[str, Any] = {"kind": self.kind, "n_outputs": self.n_outputs, "single": self.single}
        return data if self.names is None else data | {"names": list(self.names)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Values:
        """Return the task that JSON data describes."""
        expected = {"kind": (str,), "n_outputs": (int,), "single": (bool,)}
        check_keys("task", data, expected | ({"names": (list,)} if "names" in data else {}))
        names = data.get("names")
        if not 0 < data["n_outputs"] < 2**31:
            raise ValueError(f"task of {data['n_outputs']} outputs")
        if names is not None and (
            len(names) != data["n_outputs"] or not all(type(name) is str for name in names)
        ):
            raise ValueError(f"task of {data['n_outputs']} outputs with names {names!r}")
        return cls(data["n_outputs"], data["single"], None if names is None else tuple(names))


def deviations(
    targets: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the unit of each column, in which those of different ones compare: its standard deviation.

    Missing values do not count. The unit of a column that does not vary is 1.
    """
    present = np.isfinite(targets)
    weight = present * (1.0 if weight is None else weight[:, None])
    total = np.maximum(weight.sum(axis=0), np.finfo(np.float64).tiny)
    filled = np.where(present, targets, 0.0)
    mean = (weight * filled).sum(axis=0) / total
    found = np.sqrt((weight * np.square(filled - mean)).sum(axis=0) / total)
    return np.where(found > 1e-9 * np.abs(mean), found, 1.0)  # what is left of a constant is rounding
