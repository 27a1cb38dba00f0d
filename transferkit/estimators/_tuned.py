"""What ``fit`` takes over from fine-tuning: the trained heads, and which images the backbone has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.schema import Types, check_keys
from transferkit.heads import FittedHead
from transferkit.persistence import keep_weights
from transferkit.views import View

Rows = NDArray[np.int64]
_FACTS: dict[str, Types] = {
    "first_layer": (str,), "n_parameters": (int,), "n_trained": (int,), "epochs": (int,),
    "best_epoch": (int,), "loss": (float, int), "best_loss": (float, int), "seconds": (float, int),
    "started_from": (str,), "of_closer_look": (bool,),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class FineTuning:
    """Record of what fine-tuning did.

    Attributes
    ----------
    first_layer : str
        The first layer whose weights were changed.
    n_parameters, n_trained : int
        Number of weights of the backbone, and how many of them were changed.
    epochs, best_epoch : int
        Number of epochs, and the epoch whose weights are used; 0 is the frozen backbone.
    loss, best_loss : float
        Loss on held-out images, before training and at the best epoch: the log loss of classes or labels,
        calibrated; the mean absolute error of values, or of the coordinates of keypoints as fractions of the
        side of the square that the backbone sees, in standard deviations of the targets if the head is a
        network; for ``"keypoint_map"``, the mean distance as a fraction of the side of the square.
    seconds : float
        Duration of the training.
    started_from : str
        SHA-256 of the weights before the training.
    weights : ndarray of uint8
        Content of the weights file, which is saved with the model.
    of_closer_look : bool
        Whether only closer looks at keypoints use these weights, while the first look uses the frozen ones.
    """

    first_layer: str
    n_parameters: int
    n_trained: int
    epochs: int
    best_epoch: int
    loss: float
    best_loss: float
    seconds: float
    started_from: str
    weights: NDArray[np.uint8] = field(repr=False)
    of_closer_look: bool = False

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return {"weights": self.weights}

    def facts(self) -> dict[str, Any]:
        """Return what else to save, as JSON."""
        return {name: getattr(self, name) for name in _FACTS}


def rebuild_fine_tuning(tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FineTuning:
    """Return the saved record; raise ValueError if it is invalid."""
    facts = {"of_closer_look": False, **facts}  # in earlier versions, every look used the weights
    check_keys("fine_tuning", facts, _FACTS)
    counts = [facts[name] for name in ("n_parameters", "n_trained", "epochs", "best_epoch")]
    if set(tensors) != {"weights"} or min(counts) < 0 or facts["best_epoch"] > facts["epochs"]:
        raise ValueError(f"fine_tuning {facts!r} with {sorted(tensors)}")
    return FineTuning(**facts, weights=tensors["weights"])


def bring_weights(estimator: Any) -> None:
    """Store the weights that an unpickled estimator brings along where this machine finds them."""
    predictor = vars(estimator).get("predictor_")
    record = getattr(predictor, "fine_tuning", None)
    if record is None:
        return
    users = [look.extractor for look in predictor.refinements]
    if not record.of_closer_look:
        users += [estimator, predictor.extractor]
    if all(Path(one.weights).is_file() for one in users):
        return
    path = str(keep_weights(record.weights))
    for one in users:
        one.weights = path
    if estimator in users:
        estimator._parameters_ = {**estimator._parameters_, "weights": path}


class TunedLook(NamedTuple):
    """A closer look at keypoints that was trained together with its backbone.

    Attributes
    ----------
    weights : str
        File of the backbone's weights.
    mean : ndarray, shape (k, 2)
        Mean shape, by which squares are placed.
    head : FittedHead
    """

    weights: str
    mean: NDArray[np.float64]
    head: FittedHead


@dataclass(frozen=True)
class Tuned:
    """Heads that were trained together with a backbone, for a fit on its features.

    Everything that this fit decides on unseen images uses the held-out images: the backbone has learned the
    labels of all others.

    Attributes
    ----------
    held : ndarray of int
        Positions in X of the images that were held out.
    views : tuple of View
        Views of whole images.
    head : FittedHead
        Head for the whole image: on the tuned backbone, or on the frozen one if a closer look was tuned.
    closer : TunedLook or None
    record : FineTuning
    """

    held: Rows
    views: tuple[View, ...]
    head: FittedHead
    closer: TunedLook | None
    record: FineTuning

    def split(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return which of these training rows were learned from, and which were held out."""
        held = np.isin(rows, self.held)
        return np.flatnonzero(~held), np.flatnonzero(held)
