"""Quantize the backbone of a file to 8-bit numbers, calibrated on images, and measure the loss of accuracy.

Everything else is unchanged: the resize, the squares, and the head.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.datasets import labelled_images
from transferkit.errors import ExportError, InvalidInputError
from transferkit.estimators import warn_if_trained_on
from transferkit.exports._format import Run
from transferkit.exports._model import IMAGE
from transferkit.exports._network import of_network
from transferkit.exports._probes import given_probes
from transferkit.foundation.arguments import check, choice, is_number
from transferkit.images import as_image_list
from transferkit.tasks import Classes, Labels, Points, as_labels

Pixels = NDArray[np.uint8]

MOST_IMAGES = 200  # images to calibrate on; with more, ranges hardly changed


@dataclass(frozen=True)
class Loss:
    """Cost of quantization to 8-bit numbers.

    Parameters
    ----------
    before, after : float
        Accuracy; for values and keypoints, the mean error.
    loss : float
        Decrease of the accuracy, or relative increase of the error.
    ms_before, ms_after : float
        Median time per image in milliseconds.
    n : int
        Number of images.
    labelled : bool
        Whether predictions were compared with known targets; otherwise with those of the model.
    """

    before: float
    after: float
    loss: float
    ms_before: float
    ms_after: float
    n: int
    labelled: bool

    def __str__(self) -> str:
        """Return the loss of accuracy and the gain of speed on one line."""
        known = "known answers" if self.labelled else "answers of the full model"
        return (
            f"8-bit numbers: {self.after:.4g} on {self.n} images with {known}, {self.before:.4g} before; "
            f"{self.ms_after:.0f} ms an image, {self.ms_before:.0f} before"
        )


def in_8_bits(model: Any, images: Sequence[Pixels]) -> Any:
    """Return an ONNX model whose network is quantized to 8-bit numbers, calibrated on these images.

    Normalisation layers are first merged into the convolutions before them. Otherwise the outputs of these
    would be rounded with one step for all channels, though their ranges differ widely.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quant_pre_process,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[Pixels] = iter(images)

        def get_next(self) -> dict[str, Pixels] | None:
            image = next(self.left, None)
            return None if image is None else {IMAGE: image[None]}

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises to infer shapes first, which changes nothing here
    try:
        with tempfile.TemporaryDirectory() as folder:
            start, end = Path(folder) / "model.onnx", Path(folder) / "quantised.onnx"
            onnx.save(model, start)
            quant_pre_process(start, start, skip_onnx_shape=True, skip_symbolic_shape=True)
            merged = onnx.load(start)
            for i, node in enumerate(merged.graph.node):
                node.name = f"node_{i}"
            onnx.save(merged, start)
            quantize_static(
                start,
                end,
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=[node.name for node in merged.graph.node if of_network(node)],
                calibrate_method=CalibrationMethod.MinMax,
            )
            return onnx.load(end)
    except Exception as error:
        raise ExportError(
            f"ONNX Runtime cannot write this network in 8-bit numbers: {type(error).__name__}: "
            f"{error!s:.300}. Leave precision out."
        ) from error
    finally:
        root.setLevel(level)


def loss(task: Any, before: Run, after: Run, images: Sequence[Pixels], truth: Any) -> Loss:
    """Compare the predictions of two files with known targets (n, ...); None for those of the first file."""
    (old, ms_old), (new, ms_new) = (_timed(run, images) for run in (before, after))
    if isinstance(task, Classes | Labels):
        first, second = (_decided(task, answers) for answers in (old, new))
        right = first if truth is None else np.asarray(truth)
        share, left = (float((found == right).mean()) for found in (first, second))
        return Loss(share, left, share - left, ms_old, ms_new, len(images), truth is not None)
    old, new = (answers.reshape(len(images), -1) for answers in (old, new))
    known = old if truth is None else np.asarray(truth, np.float64).reshape(len(images), -1)
    error, later = (float(np.nanmean(_errors(task, answers - known))) for answers in (old, new))
    # Without known targets there is no error that could grow; so the loss is relative to the spread.
    unit = error if truth is not None else float(np.mean(np.std(old, axis=0)))
    grown = (later - error) / max(unit, 1e-12)
    return Loss(error, later, grown, ms_old, ms_new, len(images), truth is not None)


def _timed(run: Run, images: Sequence[Pixels]) -> tuple[NDArray[np.float64], float]:
    """Return predictions, and the median time in milliseconds."""
    answers, spent = [], []
    for image in images:
        start = time.perf_counter()
        answers.append(np.asarray(run(image[None]), np.float64))
        spent.append(1000 * (time.perf_counter() - start))
    return np.concatenate(answers), float(np.median(spent))


def _decided(task: Any, answers: NDArray[np.float64]) -> NDArray[Any]:
    """Return positions of classes (n,), or which labels are present (n, k)."""
    if isinstance(task, Labels):
        return answers > (0.5 if task.thresholds is None else task.thresholds)
    chosen: NDArray[Any] = task.choose(answers)
    return chosen


def _errors(task: Any, gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return absolute errors, or distances of keypoints."""
    return (
        np.linalg.norm(gaps.reshape(len(gaps), -1, 2), axis=2) if isinstance(task, Points) else np.abs(gaps)
    )


@dataclass(frozen=True)
class Int8Images:
    """Images to calibrate on and images to evaluate on, with the targets of the latter or None."""

    calibration: list[Pixels]
    validation: list[Pixels]
    truth: Any

    @classmethod
    def of(cls, model: Any, calibration: Any, validation: Any) -> Int8Images:
        """Read the images, and the targets as ``fit`` of the model does."""
        if getattr(model.predictor_.task, "boxed", False):
            raise ExportError(
                "precision='int8' calibrates on whole images, and this model looks in boxes. Leave precision "
                "out."
            )
        chosen = as_image_list(calibration)
        step = max(1, len(chosen) // MOST_IMAGES)
        images = given_probes(chosen[::step][:MOST_IMAGES])
        if validation is None:
            return cls(images, images, None)
        judged, y = labelled_images(*validation)
        truth = known_answers(model, y, len(judged))
        warn_if_trained_on("export", model, judged)
        return cls(images, given_probes(judged), truth)

    def loss(self, task: Any, before: Run, after: Run) -> Loss:
        """Return the loss from the first to the second file."""
        return loss(task, before, after, self.validation, self.truth)


def int8_problems(precision: Any, format: Any, calibration: Any, validation: Any, max_loss: Any) -> list[str]:
    """Return what is wrong with the arguments of ``export``."""
    problems = choice("precision", precision, ("float32", "int8"))
    if not (max_loss == 0 or is_number(max_loss, above=0)):
        problems.append(f"max_loss must be a number of 0 or more. Got {max_loss!r}.")
    if precision != "int8":
        if calibration is not None or validation is not None:
            problems.append(
                "calibration and validation are for precision='int8'. Pass it, or leave them out."
            )
        return problems
    if format == "litert":
        problems.append("precision='int8' is for format='onnx' and 'openvino'. Got format='litert'.")
    if calibration is None:
        problems.append("calibration must be some of the training images for precision='int8'. Got None.")
    if validation is not None and not (isinstance(validation, tuple) and len(validation) == 2):
        problems.append(
            f"validation must be a tuple (X, y). Got an object of type {type(validation).__name__}."
        )
    return problems


def refuse(found: Loss, most: float, format: str) -> None:
    """Raise ExportError if too much is lost."""
    if not found.loss <= most:
        # OpenVINO 2026.4 computes other answers than ONNX Runtime from a quantized network of many layers.
        instead = "pass format='onnx', " if format == "openvino" else ""
        raise ExportError(
            f"In 8-bit numbers the model loses {found.loss:.3g} on {found.n} images, from {found.before:.4g} "
            f"to {found.after:.4g}, and max_loss={most:g} is allowed. No file was written. Calibrate on "
            f"more or other images, allow more, {instead}or leave precision out."
        )


def known_answers(model: Any, y: Any, n: int) -> NDArray[Any]:
    """Return known targets of n images in the form that ``loss`` takes."""
    task, name, problems = model.predictor_.task, "y of validation", list[str]()
    one_each = isinstance(task, Classes)
    # Columns in another order, or names of labels, would be compared with the wrong outputs, or with none.
    found = as_labels(y, problems, name) if one_each else model._targets().read_validation(y, task, name)
    check(problems)
    if len(found) != n:
        raise InvalidInputError(
            f"validation must have an answer for each image. Got {n} images and {len(found)} answers."
        )
    if not one_each:
        return np.asarray(found)
    known = {label: i for i, label in enumerate(task.labels.tolist())}
    unknown = sorted({str(label) for label in found.tolist() if label not in known})
    if unknown:
        raise InvalidInputError(
            f"validation has classes that the model does not know: {', '.join(unknown[:5])}."
        )
    return np.array([known[label] for label in found.tolist()])
