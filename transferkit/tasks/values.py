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
    """Regression of numbers, of which some may be missing (NaN) in training.

    Parameters
    ----------
    n_outputs : int
        Number of values for each image.
    single : bool, default=False
        Whether ``y`` and predictions are one-dimensional.
    names : tuple of str, optional
        Names of the outputs, if the columns of ``y`` had names.
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
        """Return predictions in the layout of ``y``."""
        return outputs[:, 0] if self.single else outputs

    def strata(self, targets: NDArray[Any]) -> None:
        """Return None: splits are not stratified."""

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
    """Return the standard deviation of each column, by which columns are scaled to be comparable.

    Missing values are ignored. For a column that does not vary, 1 is returned.
    """
    present = np.isfinite(targets)
    weight = present * (1.0 if weight is None else weight[:, None])
    total = np.maximum(weight.sum(axis=0), np.finfo(np.float64).tiny)
    filled = np.where(present, targets, 0.0)
    mean = (weight * filled).sum(axis=0) / total
    found = np.sqrt((weight * np.square(filled - mean)).sum(axis=0) / total)
    return np.where(found > 1e-9 * np.abs(mean), found, 1.0)  # below: constant up to rounding
