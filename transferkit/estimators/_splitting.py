"""Split off held-out images, and derive seeds from random states."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.arguments import LARGEST_SEED, is_seed
from transferkit.tasks import Classes, Labels, Task, label_folds

Rows = NDArray[np.int64]
logger = logging.getLogger("transferkit")


def copies_together(features: Any, rows: Rows, groups: Rows) -> Rows:
    """Return the groups of rows, merging those that share copies of an image, or equal features.

    Otherwise one copy could be held out while another is trained on. If this merges all groups into one,
    nothing could be held out; then the user's groups are kept, or each row is a group if there is only one.
    """
    n_groups = len(np.unique(groups))
    shared = shared_groups(features.digests, rows, groups)
    if len(groups) < 2 or len(np.unique(shared)) > 1:
        return shared
    if 1 < n_groups < len(groups):
        logger.warning(
            "Copies of images join all %d groups to one: none can be held out from the others, so copies are "
            "learned from and judged on, and figures are too good. Keep one copy of each image.",
            n_groups,
        )
        return groups
    what = "All training rows are in one group" if n_groups == 1 else "All training images are the same"
    logger.warning(
        "%s: none can be held out from the others, so the model is chosen by single rows, and its "
        "probabilities say nothing about other images.",
        what,
    )
    return np.arange(len(groups))


def shared_groups(digests: Any, rows: Rows, groups: Rows) -> Rows:
    """Return the groups of rows; those that share copies of an image get the number of the first one."""
    contents, content = np.unique([str(digests[row]) for row in rows], return_inverse=True)
    names, group = np.unique(groups, return_inverse=True)
    if len(np.unique(content * len(names) + group)) == len(contents):
        return groups  # no two groups share an image
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(names) + len(rows)  # groups, and contents
    links = coo_matrix((np.ones(len(rows)), (group, len(names) + content)), shape=(n, n))
    joined = connected_components(links, directed=False)[1][: len(names)]
    first = np.full(joined.max(initial=-1) + 1, len(names))
    np.minimum.at(first, joined, np.arange(len(names)))
    shared: Rows = names[first[joined]][group]
    return shared


def classes_apart(
    digests: Any, rows: Rows, groups: Rows, task: Task, targets: NDArray[Any]
) -> tuple[Rows, list[Any]]:
    """Return groups, with those split up that contain all images of a class, and the names of these classes.

    If such a group were held out, the training rows would have no image of the class, and the strongest
    penalty would have the least error. So each image of the class becomes a group; copies of an image stay
    together. The same holds for a label if all images with it, or all without it, are in one group, and for
    an output or a coordinate that is present in one group only; these have no name.
    """
    contents, content = np.unique([str(digests[row]) for row in rows], return_inverse=True)
    names, group = np.unique(groups, return_inverse=True)
    if len(names) == len(contents):  # no group has two different images
        return groups, []
    single, found = np.zeros(len(rows), dtype=bool), []
    for label, side in _sides(task, targets):
        if np.ptp(group[side]) == 0 < np.ptp(content[side]):
            single[side] = True
            found.append(label)
    if not found:
        return groups, []
    single = np.isin(content, content[single])
    named = list(dict.fromkeys(label for label in found if label is not None))
    return np.where(single, len(names) + content, group), named


def _sides(task: Task, targets: NDArray[Any]) -> Iterator[tuple[Any, NDArray[Any]]]:
    """Yield name and rows of each class, of each side of a label (absent, present), or of each output."""
    if isinstance(task, Classes):
        classes, order = task.labels.tolist(), np.argsort(targets, kind="stable")
        for same in np.split(order, np.flatnonzero(np.diff(targets[order])) + 1):
            yield classes[targets[same[0]]], same
        return
    names = task.labels.tolist() if isinstance(task, Labels) else [None] * targets.shape[1]
    for label, column in zip(names, targets.T, strict=True):
        for side in (column == 0, column == 1) if label is not None else (np.isfinite(column),):
            if side.any():
                yield label, np.flatnonzero(side)


def warn_of_classes_apart(classes: list[Any]) -> None:
    """Log which classes have all of their images in one group."""
    if classes:
        logger.warning(
            "Only one group has images of %s, or, with several labels, images without it. Without that group "
            "nothing would be known of it. So its images are held out one by one, and its probabilities are "
            "overconfident for other groups. Add images of other groups.",
            quoted(classes),
        )


def hold_out(
    n: int, strata: NDArray[Any] | None, groups: Rows, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Return training and held-out rows, stratified by class, without dividing groups.

    Nothing is held out if a class would be left without training rows.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    everything = np.arange(n), np.array([], dtype=np.int64)
    n_splits = round(1 / fraction) if fraction > 0 else 0
    if n_splits < 2 or len(np.unique(groups)) < n_splits:
        return everything
    if strata is None:
        splitter = GroupKFold(n_splits, shuffle=True, random_state=seed)
        return next(splitter.split(np.zeros(n), groups=groups))
    if np.bincount(strata).min() < n_splits:
        return everything
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    train, held = next(splitter.split(np.zeros(n), strata, groups))
    if len(np.unique(strata[train])) < len(np.unique(strata)):
        return everything
    return train, held


def hold_out_labels(indicator: Rows, groups: Rows, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Return training and held-out rows, stratified by label, without dividing groups.

    Nothing is held out if a label would be left with a single value.
    """
    n_splits = round(1 / fraction) if fraction > 0 else 0
    if 2 <= n_splits <= len(np.unique(groups)):
        folds = label_folds(indicator, groups, n_splits, seed)
        for fold in range(n_splits):
            train, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            if len(held) and np.ptp(indicator[train], axis=0).all():
                return train, held
    return np.arange(len(indicator)), np.arange(0)


def split_rows(
    task: Task, targets: NDArray[Any], groups: Rows, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Return training and held-out rows for a task; targets are encoded as for the head."""
    known = np.arange(len(targets))
    if task.regression:  # a held-out row without a target would have no error
        known = np.flatnonzero(np.isfinite(targets).any(axis=1))
        targets, groups = targets[known], groups[known]
    if isinstance(task, Labels):
        train, held = hold_out_labels(targets, groups, fraction, seed)
    else:
        train, held = hold_out(len(targets), task.strata(targets), groups, fraction, seed)
    if np.isfinite(targets[train]).any(axis=0).all():
        return known[train], known[held]
    return known, np.arange(0)  # otherwise an output would be present in held-out rows only


class ValidationData(NamedTuple):
    """The parts of ``validation_data`` in ``fit``; ``views`` are filled in once they are known."""

    X: Any
    y: Any
    sample_weight: Any = None
    boxes: Any = None
    views: Any = None


def as_validation_data(
    validation_data: Any, problems: list[str], boxed: bool = False
) -> ValidationData | None:
    """Return the parts of ``validation_data``, or None without it; with ``boxed``, it must have boxes."""
    if validation_data is None:
        return None
    pair = isinstance(validation_data, tuple | list)
    if pair and len(validation_data) == 4 and boxed:
        return ValidationData(*validation_data)
    if pair and len(validation_data) == 4 and validation_data[3] is None:
        validation_data = validation_data[:3]  # no boxes
    if pair and len(validation_data) in (2, 3) and not boxed:
        return ValidationData(*validation_data)
    if boxed:
        problems.append(
            "validation_data must be (X, y, sample_weight, boxes) where boxes are passed; sample_weight may "
            f"be None. Got {type(validation_data).__name__}{f' of {len(validation_data)}' if pair else ''}."
        )
        return None
    if pair and len(validation_data) == 4:
        problems.append("validation_data has boxes, and fit has none. Pass boxes= to fit, too.")
        return None
    kind = type(validation_data).__name__
    size = f" of {len(validation_data)}" if isinstance(validation_data, tuple | list) else ""
    problems.append(
        f"validation_data must be (X, y), or (X, y, sample_weight), of images and their targets. Got "
        f"{kind}{size}. Leave it out to have a part of the training images held out."
    )
    return None


@contextlib.contextmanager
def naming_validation_data() -> Iterator[None]:
    """Make error messages say that X is that of ``validation_data``."""
    try:
        yield
    except ValueError as error:  # from scikit-learn, or ours
        problems = error.problems if isinstance(error, InvalidInputError) else [str(error)]
        raise InvalidInputError(
            *(
                problem.replace("X ", "X of validation_data ", 1)
                if problem.startswith("X ")
                else f"validation_data: {problem}"
                for problem in problems
            )
        ) from error


def seed_problems(random_state: Any) -> list[str]:
    """Return a problem unless scikit-learn accepts this as a random state."""
    if random_state is None or is_seed(random_state) or isinstance(random_state, np.random.RandomState):
        return []
    return [
        f"random_state must be an integer in 0..{LARGEST_SEED}, a numpy.random.RandomState or None. "
        f"Got {random_state!r}."
    ]


def as_seed(random_state: Any) -> int:
    """Return an integer seed for a random state that scikit-learn accepts."""
    from sklearn.utils import check_random_state

    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
