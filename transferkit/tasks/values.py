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
    """

    n_outputs: int
    single: bool = False

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
        return {"kind": self.kind, "n_outputs": self.n_outputs, "single": self.single}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Values:
        """Return the task that JSON data describes."""
        check_keys("task", data, {"kind": (str,), "n_outputs": (int,), "single": (bool,)})
        if not 0 < data["n_outputs"] < 2**31:
            raise ValueError(f"task of {data['n_outputs']} outputs")
        return cls(data["n_outputs"], data["single"])
