"""Section on the limits of a model, as far as they are known."""

from __future__ import annotations

from typing import Any

from transferkit.cards._card import Section
from transferkit.cards._model import named

_FEW = 20  # images of a class; with fewer, figures and models are uncertain


def about_limits(estimator: Any, evaluation: Any, audit: Any, n_known: int) -> Section:
    """Return the section on limits, with a sentence for each."""
    record, task = estimator.training_, estimator.predictor_.task
    said = [] if record is None else _of_training(task, record)
    said += _of_answers(estimator, task)
    if evaluation is None:
        said.append("No figures of a test were passed: how good it is on images of others is not said here.")
    elif n_known:
        said.append("The test has images that the model was trained on.")
    if audit is None:
        said.append("The training data was not audited for duplicates, wrong labels and shortcuts.")
    elif any(check.severity == "error" for check in audit.checks):
        said.append("The audit found errors in the training data: figures may be too good.")
    said.append(
        "What it is meant for, who is in the images, and the licences of data and weights are not in these "
        "files: add them."
    )
    return Section("Limits", tuple(("", sentence) for sentence in said))


def _of_training(task: Any, record: Any) -> list[str]:
    said = [
        f"It has learned from {record.n_images:,} images; how good it is on images unlike those is not known."
    ]
    if record.n_groups is None:
        said.append(
            "Groups were not given: if images of one person or series are in the data, held-out figures are "
            "too good."
        )
    if task.kind in ("classes", "labels"):
        few = [
            f"{label} ({count})"
            for label, count in zip(task.labels.tolist(), record.counts.tolist(), strict=True)
            if count < _FEW
        ]
        if few:
            said.append(f"Of these, fewer than {_FEW} images were there: {named(few)}.")
    if task.kind == "values":
        said.append("It has seen no numbers beyond those in the table above.")
    return said


def _of_answers(estimator: Any, task: Any) -> list[str]:
    said = []
    knows = estimator.predictor_.novelty is not None  # it keeps training images to compare with
    if task.kind == "classes":
        said.append(
            "It answers one of its classes, whatever an image shows"
            + (", unless predict(unknown_label=...) is asked for." if knows else ".")
        )
    if task.kind == "points":
        said.append(
            "It answers every point in every image, also where the point or the subject is not there"
            + (", unless predict(max_novelty=...) is asked for." if knows else ".")
        )
        if estimator.predictor_.expected_error is None:
            said.append("Nothing is known of the error of single points.")
    return said
