"""Choose the images from whose labels a model would learn most (active learning)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._data import path_of
from transferkit.auditing._duplicates import originals, same_picture
from transferkit.auditing._features import one_vector
from transferkit.auditing._looks import render
from transferkit.auditing._picking import pick, uncertainty
from transferkit.auditing._suggestions import Suggestion, Suggestions
from transferkit.errors import InvalidInputError
from transferkit.estimators import Classifier, known_contents
from transferkit.foundation.arguments import is_count
from transferkit.images import Reader, as_collection
from transferkit.tasks import Labels


def next_to_label(model: Classifier, X: Any, n: int = 20) -> Suggestions:
    """Return the images most worth labelling: those that the model is unsure of, and that differ.

    The images of which a model is least sure may all be similar. So images are chosen one after the other by
    uncertainty times the distance of their features to the nearest image chosen before. Images that the model
    has learned from are left out, and so are all but one of those that show the same.

    Parameters
    ----------
    model : Classifier
        A classifier fitted on images.
    X : sequence of images
        Unlabelled images, as for ``predict``, or a folder.
    n : int, default=20
        Number of images to return; fewer if there are not enough.

    Returns
    -------
    Suggestions
        The most useful image first. Print it, or use ``.indices``, ``.to_csv(path)`` or ``.plot()``.

    Raises
    ------
    NotFittedError
    InvalidInputError
        The model does not classify images, no image is left to choose from, or a parameter cannot be used.

    See Also
    --------
    relabel : Read the labels back from the CSV file.
    transferkit.plots.plot_to_label : Plot the images.

    Examples
    --------
    >>> from transferkit import Classifier, next_to_label, relabel
    >>> clf = Classifier().fit(paths, labels)                   # doctest: +SKIP
    >>> next_to_label(clf, "new_photos").to_csv("next.csv")     # doctest: +SKIP
    >>> new = relabel("next.csv", "new_photos", classes=clf.classes_)  # doctest: +SKIP
    >>> clf.fit([*paths, *new.X], [*labels, *new.y])            # doctest: +SKIP
    """
    if not is_count(n):
        raise InvalidInputError(f"n must be a positive integer. Got {n!r}.")
    _check_model(model)
    items = as_collection(X)
    features = model.extract(items, on_error="skip")
    known = known_contents(model, features.digests)
    first = originals(
        [None if seen else digest for digest, seen in zip(features.digests, known, strict=True)]
    )
    rows = np.flatnonzero(first == np.arange(len(first)))
    n_unreadable = int((~features.ok).sum())
    if not len(rows):
        raise InvalidInputError(
            f"X has no image to choose from: of {len(items):,}, the model has learned from {known.sum():,}, "
            f"and {n_unreadable:,} cannot be read. Pass images without a label."
        )
    task: Any = model.predictor_.task
    with model._limited():
        probabilities = task.probabilities(model.predictor_.outputs(features, rows))
        vectors = one_vector(features)[np.searchsorted(np.flatnonzero(features.ok), rows)]
    unsure = uncertainty(probabilities, several=isinstance(task, Labels))
    repeats = _Repeats([items[row] for row in rows.tolist()], features.reader)
    chosen = pick(unsure, vectors, int(n), repeats)
    names = _names(task, probabilities[chosen])
    found = [items[row] for row in rows[chosen].tolist()]
    return Suggestions(
        [
            Suggestion(int(rows[row]), path_of(item), name, float(unsure[row]))
            for row, item, name in zip(chosen, found, names, strict=True)
        ],
        found,
        probabilities[chosen],
        task.labels,
        n_images=len(items),
        n_known=len(items) - n_unreadable - len(rows),
        n_unreadable=n_unreadable,
        reader=features.reader,
    )


def _check_model(model: Any) -> None:
    if not isinstance(model, Classifier):
        raise InvalidInputError(
            f"model must be a fitted Classifier: it says how sure it is. Got a {type(model).__name__}."
        )
    model._check_fitted()
    if model.extractor_ is None:
        raise InvalidInputError(
            "model must be a Classifier of images, which are compared. Got one with backbone='precomputed'."
        )


class _Repeats:
    """Check whether an image shows the same as one of several others; each image is rendered only once."""

    def __init__(self, items: list[Any], reader: Reader) -> None:
        self._items, self._reader = items, reader
        self._seen: dict[int, NDArray[np.uint8]] = {}

    def __call__(self, row: int, others: list[int]) -> bool:
        own = self._rendering(row)
        return bool(others) and same_picture(own, np.stack([self._rendering(other) for other in others]))

    def _rendering(self, row: int) -> NDArray[np.uint8]:
        if row not in self._seen:
            self._seen[row] = render(self._items[row], self._reader)
        return self._seen[row]


def _names(task: Any, probabilities: NDArray[np.float64]) -> list[Any]:
    """Return the predicted labels."""
    if not isinstance(task, Labels):
        names: list[Any] = task.labels[probabilities.argmax(axis=1)].tolist()
        return names
    limits = np.full(len(task.labels), 0.5) if task.thresholds is None else task.thresholds
    return [tuple(task.labels[row > limits].tolist()) for row in probabilities]
