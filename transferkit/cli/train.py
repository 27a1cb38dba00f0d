"""Train on part of a data set, measure on the rest, save: what ``transferkit train`` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.datasets import read_image_folder, read_keypoints_csv
from transferkit.errors import InvalidInputError
from transferkit.estimators import Classifier, KeypointRegressor
from transferkit.foundation.arguments import check, seed
from transferkit.keypoints import N_FACE_POINTS, as_points
from transferkit.metrics import normalized_mean_error, wilson_interval


def train_and_report(
    data: Path,
    output: Path,
    *,
    test_fraction: float = 0.2,
    random_state: int = 0,
    image_folder: str | None = None,
    **parameters: Any,
) -> str:
    """Train on a folder per class or a keypoint CSV, save the model, and return a report.

    Parameters
    ----------
    data : Path
        A folder with a sub-folder per class, or a CSV of keypoints.
    output : Path
        Where the model goes.
    test_fraction : float, default=0.2
        Share of the images, drawn at random, that training never sees and the figures are of.
    random_state : int, default=0
    image_folder : str, optional
        Where the images of a CSV lie, if not beside it.
    **parameters
        Of the estimator.

    Returns
    -------
    str
        The figure, its baseline and its interval, and where the model is.
    """
    problems = seed("random_state", random_state)
    if not 0 < test_fraction < 1:
        problems.append(f"test_fraction must be between 0 and 1. Got {test_fraction}.")
    check(problems)
    if not data.exists():
        raise InvalidInputError(
            "Expected a folder with a sub-folder per class, or a CSV of keypoints. "
            f"There is nothing at {data}."
        )
    if output.is_dir():
        raise InvalidInputError(f"The output {output} is a folder. Pass the name of a file for the model.")
    if not output.parent.is_dir():
        raise InvalidInputError(f"The folder of the output, {output.parent}, does not exist. Make it first.")
    is_table = data.suffix.lower() == ".csv"
    if is_table:
        table = read_keypoints_csv(data, image_folder=image_folder)
        report = _train_keypoints(*table, output, test_fraction, random_state, parameters)
    else:
        report = _train_classes(data, output, test_fraction, random_state, parameters)
    return f"{report}\nmodel   {output}"


def _train_classes(
    data: Path, output: Path, test_fraction: float, random_state: int, parameters: dict[str, Any]
) -> str:
    paths, labels = read_image_folder(data)
    train, test = _stratified(labels, test_fraction, random_state)
    model = Classifier(random_state=random_state, **parameters)
    model.fit([paths[i] for i in train], labels[train])
    features = model.extract([paths[i] for i in test], on_error="skip")
    test = test[features.ok]
    hits = int((model.predict([paths[i] for i in test]) == labels[test]).sum())
    model.save(output)
    low, high = wilson_interval(hits, len(test))
    names, counts = np.unique(labels[train], return_counts=True)
    largest = names[counts.argmax()]
    return (
        f"images  {model.report_}\n"
        f"test    accuracy {hits / len(test):.1%} on {len(test)} images that training never saw "
        f"(95 % interval {low:.1%} to {high:.1%}); "
        f"always saying {str(largest)!r}: {np.mean(labels[test] == largest):.1%}"
    )


def _train_keypoints(
    paths: list[Path],
    keypoints: NDArray[np.float64],
    output: Path,
    test_fraction: float,
    random_state: int,
    parameters: dict[str, Any],
) -> str:
    order = np.random.default_rng(random_state).permutation(len(paths))
    n_test = max(1, round(test_fraction * len(paths)))
    test, train = np.sort(order[:n_test]), np.sort(order[n_test:])
    model = KeypointRegressor(random_state=random_state, **parameters)
    model.fit([paths[i] for i in train], keypoints[train])
    features = model.extract([paths[i] for i in test], on_error="skip")
    test = test[features.ok]
    found = model.predict([paths[i] for i in test])
    model.save(output)
    n_points = as_points(keypoints).shape[1]
    normalizer: str | float = "outer_eye_corners" if n_points == N_FACE_POINTS else "box_size"
    normalizer = 1.0 if n_points == 1 else normalizer  # one point has no size to take a fraction of
    error = normalized_mean_error(keypoints[test], found, normalizer=normalizer)
    mean = mean_shape(keypoints[train], model.extract([paths[i] for i in train], on_error="skip"))
    baseline = normalized_mean_error(keypoints[test], mean(features.sizes()), normalizer=normalizer)
    told = "{:.1f} pixels".format if n_points == 1 else "{:.1%}".format
    of = "" if n_points == 1 else f" of {normalizer}"
    return (
        f"images  {model.report_}\n"
        f"test    mean error {told(error)}{of} on {len(test)} images that training never saw; "
        f"the mean shape of the training images: {told(baseline)}"
    )


def mean_shape(keypoints: NDArray[np.float64], features: Any) -> Any:
    """Return a function from sizes (n, 2) to the training images' mean shape in images of these sizes."""
    shapes = (as_points(keypoints)[features.ok] + 0.5) / features.sizes()[:, None]
    mean = np.nanmean(shapes, axis=0)

    def at(sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        points: NDArray[np.float64] = (mean * sizes[:, None] - 0.5).reshape(len(sizes), -1)
        return points

    return at


def _stratified(
    labels: NDArray[Any], test_fraction: float, random_state: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return training and test rows, each class split alike, at least one row of it in each part."""
    generator = np.random.default_rng(random_state)
    train, test = [], []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        if len(rows) < 2:
            raise InvalidInputError(
                f"Class {label!r} has one image; two are needed, one to train on and one to test."
            )
        n_test = min(max(1, round(test_fraction * len(rows))), len(rows) - 1)
        test += rows[:n_test].tolist()
        train += rows[n_test:].tolist()
    return np.sort(train), np.sort(test)
