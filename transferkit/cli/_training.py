"""``transferkit train``: train on part of a dataset, evaluate on the rest, and save the model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.cards import check_unchanged
from transferkit.cli._options import learning_of
from transferkit.cli._outputs import check_outputs
from transferkit.cli._shared import estimator_of, read_column, read_data
from transferkit.cli._split import split
from transferkit.cli._subjects import boxes_to_learn, groups_of
from transferkit.errors import InvalidInputError
from transferkit.evaluation import KeypointEvaluation, LabelEvaluation, ValueEvaluation, evaluate
from transferkit.foundation.arguments import check, seed
from transferkit.keypoints import as_points, frames_of_boxes


def train_and_report(
    options: Any, output: Path, *, test_fraction: float, random_state: int, **parameters: Any
) -> tuple[str, list[Any]]:
    """Train on a folder per class or a CSV, save the model, and return a report and what was left out.

    Parameters
    ----------
    options : namespace
        Arguments declared by `add_data` and `add_learning`, and ``sample_weight``.
    output : Path
        File for the model.
    test_fraction : float
        Share of the images, drawn at random, that are used only for testing.
    random_state : int
    **parameters
        Parameters of any estimator.

    Returns
    -------
    str
        The main metric with its interval and a baseline, and the file of the model.
    list of Failure
        The images that could not be read.
    """
    _check(options, output, test_fraction, random_state)
    if options.epochs is not None and options.fine_tune is None:
        raise InvalidInputError("epochs are of --fine-tune, which was not passed. Pass both, or neither.")
    data = read_data(options)
    paths, targets = data
    if options.relabel is not None:
        targets = _corrected(options.relabel, paths, targets)
    boxes = boxes_to_learn(data, options.boxes)
    groups, weight = (read_column(options, name) for name in ("groups", "sample_weight"))
    if groups is None:
        groups = groups_of(data)
    estimator = estimator_of(options, targets)
    parameters |= learning_of(options, estimator)
    if pairs := getattr(data, "mirror_pairs", None):
        parameters["mirror_pairs"] = pairs
    labels = targets if targets.dtype.kind == "U" else None
    train, test = split(len(paths), labels, groups, test_fraction, random_state)
    model = estimator(random_state=random_state, **parameters)
    learned, tested = ([paths[i] for i in rows] for rows in (train, test))
    where, where_tested = (_boxes_of(boxes, rows) for rows in (train, test))
    where_learned = {"groups": _rows(groups, train), "sample_weight": _rows(weight, train), **where}
    if options.fine_tune is None:
        model.fit(learned, targets[train], **where_learned)
    else:
        from transferkit.finetuning import fine_tune

        tuning = {"layers": options.fine_tune}
        tuning |= {} if options.epochs is None else {"epochs": options.epochs}
        model = fine_tune(model, learned, targets[train], **where_learned, **tuning)
    model.save(output)  # now, since what follows may fail
    print(f"transferkit: wrote {output}", file=sys.stderr)
    # One point has no size to divide its error by.
    alone = model.kind == "points" and model.n_points_ == 1
    normalizer: dict[str, Any] = {"normalizer": 1.0} if alone else {}
    evaluation = evaluate(
        model,
        tested,
        targets[test],
        groups=_rows(groups, test),
        on_error="skip",
        **where_tested,
        **normalizer,
    )
    if options.card:
        model.card(evaluation=evaluation).to_markdown(output.with_suffix(".md"))
    if model.kind == "points":
        shapes = _mean_shapes(model, (learned, where, targets[train]), (tested, where_tested))
        line = _keypoints(model, evaluation, shapes)
        if boxes is not None:
            line += "\nboxes   are looked at; the model needs one for each subject"
    else:
        line = _LINES[model.kind_for(targets)](evaluation, targets[train])
    report = f"images  {model.report_}\ntest    {line}\nmodel   {output}"
    return report, [*model.report_.failures, *evaluation.skipped]


def _check(options: Any, output: Path, test_fraction: float, random_state: int) -> None:
    """Raise errors of the arguments before any work starts."""
    problems = seed("random_state", random_state)
    if not 0 < test_fraction < 1:
        problems.append(f"test_fraction must be between 0 and 1. Got {test_fraction}.")
    check(problems)
    data = options.data
    if not Path(data).exists():
        raise InvalidInputError(
            f"Expected a folder with a sub-folder per class, or a CSV of images. There is nothing at {data}."
        )
    if output.is_dir():
        raise InvalidInputError(f"The output {output} is a folder. Pass the name of a file for the model.")
    if not output.parent.is_dir():
        raise InvalidInputError(f"The folder of the output, {output.parent}, does not exist. Make it first.")
    card = output.with_suffix(".md") if options.card else None
    network = options.backbone if options.backbone.lower().endswith(".onnx") else None
    check_outputs({"output": output, "card": card}, (data, options.relabel, options.weights, network))
    if card is not None:
        check_unchanged(card)


def _corrected(table: str, paths: Any, targets: NDArray[Any]) -> NDArray[Any]:
    """Return labels corrected by a table, and print the changes."""
    from transferkit.auditing import relabel

    if targets.dtype.kind != "U":
        raise InvalidInputError(
            f"relabel corrects labels, one for each image. The targets are others: {table}."
        )
    new = relabel(table, paths, targets)
    print(new, file=sys.stderr)
    return new.y


def _rows(values: NDArray[Any] | None, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    return None if values is None else values[rows]


def _boxes_of(boxes: NDArray[np.float64] | None, rows: NDArray[np.int64]) -> dict[str, Any]:
    return {} if boxes is None else {"boxes": boxes[rows]}


def _classes(evaluation: Any, learned: NDArray[Any]) -> str:
    """Return the accuracy, beside that of always predicting the most frequent class."""
    accuracy, percent = evaluation.figures["accuracy"], 100 * evaluation.confidence
    names, counts = np.unique(learned, return_counts=True)
    largest = names[counts.argmax()]
    return (
        f"accuracy {accuracy.value:.1%} on {len(evaluation.y_true)} images that training never saw "
        f"({percent:.0f} % interval {accuracy.low:.1%} to {accuracy.high:.1%}); "
        f"always saying {str(largest)!r}: {np.mean(evaluation.y_true == largest):.1%}"
    )


def _labels(evaluation: Any, learned: NDArray[Any]) -> str:
    """Return metrics for several labels, beside those of always predicting the most frequent labels."""
    true = evaluation.y_true
    counts = [sum(label in row for row in learned) for label in evaluation.classes.tolist()]
    usual = np.tile(np.array(counts) > len(learned) / 2, (len(true), 1))
    baseline = LabelEvaluation(true, usual, None, evaluation.classes)
    f1, exact = evaluation.figures["micro_f1"], evaluation.figures["subset_accuracy"]
    return (
        f"micro F1 {f1.value:.1%} on {len(true)} images that training never saw "
        f"({100 * evaluation.confidence:.0f} % interval {f1.low:.1%} to {f1.high:.1%}), "
        f"all labels right in {exact.value:.1%}; always saying the labels of most images: "
        f"{baseline.figures['subset_accuracy'].value:.1%}"
    )


def _values(evaluation: Any, learned: NDArray[np.float64]) -> str:
    """Return error and R^2, beside the error of always predicting the median of the training images."""
    usual = np.broadcast_to(np.nanmedian(learned.reshape(len(learned), -1), axis=0), evaluation.true.shape)
    baseline = ValueEvaluation(evaluation.true, usual)
    error, r2 = evaluation.figures["mae"], evaluation.figures["r2"]
    return (
        f"mean absolute error {error.value:.4g} on {len(evaluation.true)} images that training never saw "
        f"({100 * evaluation.confidence:.0f} % interval {error.low:.4g} to {error.high:.4g}), "
        f"R² {r2.value:.3f}; always saying the median: {baseline.figures['mae'].value:.4g}"
    )


def _mean_shapes(model: Any, learned: Any, tested: Any) -> NDArray[np.float64]:
    """Return the mean shape of the training images, placed in each readable test image or its box."""
    images, where, points = learned
    known = model.extract(images, on_error="skip", **where)
    mean = np.nanmean(_in_square(known, where, as_points(points)[known.ok]), axis=0)
    images, where = tested
    return _from_square(model.extract(images, on_error="skip", **where), where, mean)


def _in_square(features: Any, where: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points as fractions of each image, or of the square around its box."""
    corner, side = _squares(features, where)
    return (points + 0.5 - corner) / side


def _from_square(features: Any, where: Any, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a shape in pixels of each image, given fractions."""
    corner, side = _squares(features, where)
    return mean * side + corner - 0.5


def _squares(features: Any, where: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the upper left corners and the sides, (n, 1, 2) each, of the readable images or boxes."""
    if not where:
        sides = features.sizes()[:, None].astype(np.float64)
        return np.zeros_like(sides), sides
    frames = frames_of_boxes(where["boxes"], len(features.ok))[features.ok, None]
    return frames[..., :2] - frames[..., 2:3] / 2, np.repeat(frames[..., 2:3], 2, axis=-1)


def _keypoints(model: Any, evaluation: Any, mean: NDArray[np.float64]) -> str:
    """Return the mean error, beside that of always predicting the mean shape of the training images."""
    baseline = KeypointEvaluation(evaluation.true, mean, normalizer=evaluation.normalizer)
    pixels = model.n_points_ == 1
    error, usual = (
        f"{one.figures['nme'].value:.1f} pixels" if pixels else f"{one.figures['nme'].value:.1%}"
        for one in (evaluation, baseline)
    )
    return (
        f"mean error {error}{'' if pixels else f' of {evaluation.unit}'} on {len(evaluation.true)} "
        f"{'subjects' if model.boxed_ else 'images'} "
        f"that training never saw; the mean shape of the training images: {usual}"
    )


_LINES = {"classes": _classes, "labels": _labels, "values": _values}
