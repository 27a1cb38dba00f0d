"""The rows that a head is trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.heads import Validation
from transferkit.views import AnyView

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingSet:
    """The training data of a head, without features.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Images of the extraction that can be read and whose weight is not 0.
    targets : list of ndarray
        Encoded targets for each view, those of ``extra_views`` last.
    groups : ndarray of int, shape (n,)
    weight : ndarray of float64, shape (n,)
    validation : Validation or None
        The user's validation data.
    views : tuple of View or Crops
        Views that features are extracted from.
    extra_views : tuple of Crops
        Additional views, used for training only.
    """

    rows: Rows
    targets: list[NDArray[Any]]
    groups: Rows
    weight: NDArray[np.float64]
    validation: Validation | None
    views: tuple[AnyView, ...]
    extra_views: tuple[AnyView, ...] = ()

    def take(self, part: Rows) -> TrainingSet:
        """Return some of the rows."""
        return replace(
            self,
            rows=self.rows[part],
            targets=[targets[part] for targets in self.targets],
            groups=self.groups[part],
            weight=self.weight[part],
        )
