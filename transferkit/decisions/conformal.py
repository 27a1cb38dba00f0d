"""Conformal prediction sets: sets of classes that contain the right one with a given probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.decisions._quantiles import conformal_quantile
from transferkit.decisions.held_out import HeldOut
from transferkit.tasks import Classes

Floats = NDArray[np.float64]


def class_sets(
    probabilities: Floats, held_out: HeldOut, task: Classes, coverage: float, *, by_class: bool = False
) -> NDArray[np.bool_]:
    """Return the set of classes of each image as booleans (n, n_classes).

    A class is in the set if its probability is at least the one that the right class has, or exceeds, for a
    share ``coverage`` of the held-out images (with ``by_class``, of those of that class) [1]_. The most
    probable class is always in the set.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, n_classes)
    held_out : HeldOut
    task : Classes
    coverage : float
        In (0, 1).
    by_class : bool, default=False
        Guarantee the coverage for each class, not only over all images.

    References
    ----------
    .. [1] M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers with bounded error
       levels", JASA 114(525), 2019.
    """
    known = held_out.probabilities(task)
    targets = held_out.targets
    missing = 1 - known[np.arange(len(known)), targets]  # 1 - probability of the right class

    def most(rows: NDArray[np.bool_]) -> float:
        return conformal_quantile(missing[rows], held_out.weight[rows], held_out.groups[rows], coverage)

    if by_class:
        least = [most(targets == label) for label in range(task.n_classes)]
    else:
        least = [most(np.ones(len(targets), bool))] * task.n_classes
    sets: NDArray[np.bool_] = 1 - probabilities <= np.array(least)
    sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
    return sets
