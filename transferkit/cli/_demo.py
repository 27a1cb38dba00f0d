"""``transferkit demo``: train and evaluate on synthetic faces, offline and without weights."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.datasets import Faces, make_faces
from transferkit.errors import InvalidInputError
from transferkit.estimators import Classifier, KeypointRegressor
from transferkit.heads import LinearHead
from transferkit.metrics import normalized_mean_error, wilson_interval
from transferkit.plots import plot_keypoints

_COLUMNS = 6
_ROWS = 2


def run_demo(folder: Path, *, n: int = 600, random_state: int = 0) -> str:
    """Train a Classifier and a KeypointRegressor on synthetic faces, and return a table of metrics.

    Writes ``glasses.safetensors`` and ``keypoints.safetensors`` to the folder, and ``keypoints.png`` if
    matplotlib is installed.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    n : int, default=600
        Number of faces, a third of which is for testing.
    random_state : int, default=0
    """
    if n < 60:
        raise InvalidInputError(f"The demo needs at least 60 images. Got {n}.")
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"Drawing {n} faces ...")
    faces = make_faces(n, random_state=random_state)
    n_train = 2 * n // 3
    train, test = _part(faces, 0, n_train), _part(faces, n_train, n)
    common: dict[str, Any] = {"backbone": "scattering"}

    _say("Training a classifier: the backbone runs once per image ...")
    first, classifier = _timed(lambda: Classifier(**common).fit(train.images, train.labels))
    hits = int((classifier.predict(test.images) == test.labels).sum())
    _say("Training a second head on the same features, and a keypoint regressor, which looks twice ...")
    second, again = _timed(
        lambda: Classifier(**common, head=LinearHead(penalty=0.01)).fit(train.images, train.labels)
    )
    third, regressor = _timed(lambda: KeypointRegressor(**common).fit(train.images, train.keypoints))
    points = regressor.predict(test.images)

    drawn = _draw_keypoints(test, points, folder / "keypoints.png")
    classifier.save(folder / "glasses.safetensors")
    regressor.save(folder / "keypoints.safetensors")
    fits = [(first, classifier), (second, again), (third, regressor)]
    models = f"Models: {folder / 'glasses.safetensors'}, {folder / 'keypoints.safetensors'}"
    return "\n".join([_table(train, test, hits, points, fits), "", drawn, models])


def _draw_keypoints(faces: Faces, points: np.ndarray, path: Path) -> str:
    """Draw predicted points over the true ones, and return the line that says where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return 'No plot of the keypoints without matplotlib. Run: pip install "transferkit[plots]"'
    axes = Figure(figsize=(12, 4.2), layout="constrained").subplots(_ROWS, _COLUMNS)
    n = _ROWS * _COLUMNS
    plot_keypoints(faces.images[:n], points[:n], faces.keypoints[:n], n=n, ax=axes)
    axes[0, 0].figure.savefig(path, dpi=100)
    return f"Predicted keypoints (coloured) over the true ones (white): {path}"


def _table(train: Faces, test: Faces, hits: int, points: np.ndarray, fits: list[tuple[float, Any]]) -> str:
    n = len(test.labels)
    low, high = wilson_interval(hits, n)
    labels, counts = np.unique(train.labels, return_counts=True)
    majority = float(np.mean(test.labels == labels[counts.argmax()]))
    error = normalized_mean_error(test.keypoints, points)
    mean = np.broadcast_to(train.keypoints.mean(axis=0), points.shape)
    baseline = normalized_mean_error(test.keypoints, mean)
    names = ("classifier", "classifier, second head", "keypoint regressor")
    lines = [
        f"Drawn faces: {len(train.labels)} to train on, {n} to test on. "
        "Backbone: scattering, which needs no weights.",
        "",
        f"{'on the test faces':34} {'transferkit':>12} {'baseline':>9}",
        f"{'glasses, accuracy':34} {hits / n:>12.1%} {majority:>9.1%}   "
        f"(95 % interval {low:.1%} to {high:.1%}; baseline: the larger class)",
        f"{'68 keypoints, mean error':34} {error:>12.1%} {baseline:>9.1%}   "
        "(of the distance of the outer eye corners; baseline: mean shape)",
        "",
        f"{'fit':34} {'seconds':>12} {'backbone calls':>15} {'from cache':>11}",
    ]
    lines += [
        f"{name:34} {seconds:>12.1f} {fit.report_.n_backbone_calls:>15} "
        f"{fit.report_.n_cached / fit.report_.n_images:>11.0%}"
        for name, (seconds, fit) in zip(names, fits, strict=True)
    ]
    return "\n".join(lines)


def _part(faces: Faces, start: int, stop: int) -> Faces:
    rows = slice(start, stop)
    return Faces(faces.images[rows], faces.labels[rows], faces.keypoints[rows])


def _timed(make: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    made = make()
    return time.perf_counter() - started, made


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
