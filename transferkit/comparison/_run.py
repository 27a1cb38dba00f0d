"""One candidate: features of all images, then predictions for each fold by a model without it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from transferkit.comparison._candidates import image_estimator
from transferkit.comparison._data import Data
from transferkit.comparison._folds import Folds
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.evaluation import KINDS
from transferkit.extraction import Failure, Speed, measure_speed
from transferkit.keypoints import frames_of_boxes
from transferkit.views import crops_of

logger = logging.getLogger("transferkit")
_UNMEASURED = Speed(math.nan, None)
Advance = Callable[[int], Any]


@dataclass
class Run:
    """The state and results of one candidate.

    Attributes
    ----------
    name : str
    estimator : estimator
        Unfitted; only copies of it are fitted.
    plan : (FeatureExtractor, views) or None
    failures : list of Failure
        Images that could not be read.
    n_copies : int
        Images whose content is also in another group or, without groups, in another row.
    n_cached : int
        Images that were in the cache before, not counting copies.
    bytes_per_image : int or None
    engine : str or None
    seconds : float
    predicted : ndarray
        Prediction for each image by a model trained without it.
    probabilities : ndarray or None
    speed : Speed
    error : Exception or None
        What stopped it.
    """

    name: str
    estimator: Any
    plan: Any = None
    failures: list[Failure] = field(default_factory=list)
    n_copies: int = 0
    n_cached: int = 0
    bytes_per_image: int | None = None
    engine: str | None = None
    seconds: float = 0.0
    predicted: Any = None
    probabilities: NDArray[np.float64] | None = None
    speed: Speed = _UNMEASURED
    error: Exception | None = None

    def attempt(self, step: Callable[..., None], *arguments: Any) -> None:
        """Run a step unless an earlier one failed; an error stops this candidate only."""
        if self.error is not None:
            return
        started = time.perf_counter()
        try:
            step(self, *arguments)
        except BadImageError:
            raise  # caused by the images, so the same for all candidates
        except Exception as error:  # noqa: BLE001 - hours of other candidates must not be lost; it is reported
            logger.warning("%s is left out of the comparison: %s", self.name, error)
            self.error = error
        self.seconds += time.perf_counter() - started


def plan(run: Run, data: Data) -> None:
    """Check parameters and weights before any candidate starts."""
    if (ours := image_estimator(run.estimator)) is not None:
        run.plan = ours.plan_extraction(data.targets)


def extract(run: Run, data: Data, on_error: str, n_timed: int, advance: Advance) -> None:
    """Extract the features of all images to the cache, and time the backbone while it is loaded."""
    if run.plan is None:
        advance(len(data))
        return
    extractor, views = run.plan
    squares = None if data.boxes is None else frames_of_boxes(data.boxes, len(data))
    looks = views if squares is None else crops_of(views, squares)
    features = extractor.extract(data.items, views=looks, on_error=on_error, advance=advance)
    run.failures = features.report.failures
    places = range(0) if squares is None else [tuple(square) for square in squares.tolist()]
    seen = list(zip_longest(features.digests, places))  # several subjects in one image are not copies
    readable = [one for one in seen if one[0] is not None]
    contents = len(set(readable))
    run.n_cached = max(0, features.report.n_cached - (len(readable) - contents))
    groups = range(len(seen)) if data.groups is None else data.groups.tolist()
    apart = {(one, group) for one, group in zip(seen, groups, strict=True) if one[0] is not None}
    run.n_copies = len(apart) - contents
    run.bytes_per_image = features.bytes_per_image
    run.engine = extractor.describe()["engine"]
    if n_timed > 0:
        run.speed = measure_speed(extractor, views, n_timed)
    run.plan = None  # a network for each of many candidates would fill the memory


def predict(run: Run, data: Data, folds: Folds, advance: Advance) -> None:
    """Fit on each training part, and predict the images that are not in it."""
    outputs = []
    for train, test in folds:
        model, known = clone(run.estimator), data.take(train)
        if image_estimator(model) is not None:
            model.fit(known.items, known.learned, groups=known.groups, **known.where)
        else:
            targets = known.targets.reshape(len(train), -1) if data.kind == "points" else known.targets
            model.fit(known.items, targets)
        tested = data.take(test)
        answers, chances = KINDS[data.kind].predict(model, tested.items, **tested.where)
        if data.kind == "classes" and chances is not None:  # of other libraries, in any order
            order = np.argsort(np.asarray(getattr(model, "classes_", data.classes)))
            chances = np.take(chances, order, axis=1)
        outputs.append((answers, chances))
        advance(len(test))
    order = np.argsort(np.concatenate([test for _, test in folds]))
    run.predicted, run.probabilities = (
        None if parts[0] is None else np.concatenate(parts)[order] for parts in zip(*outputs, strict=True)
    )


def raise_if_none_is_left(runs: Sequence[Run]) -> None:
    """Raise an error if every candidate failed."""
    errors = [run.error for run in runs if run.error is not None]
    if len(errors) < len(runs):
        return
    if len({str(error) for error in errors}) == 1:
        raise errors[0]
    reasons = [f"{run.name}: {run.error}" for run in runs]
    raise InvalidInputError("No candidate could be compared.", *reasons) from errors[0]
