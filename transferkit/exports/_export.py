"""Export a fitted model to a file for other runtimes, and verify that its answers are the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferkit.backbones import OnnxFile, files_of
from transferkit.errors import ExportError, InvalidInputError, quoted
from transferkit.estimators import Classifier, ImageRegressor, KeypointRegressor
from transferkit.exports._answers import answer_name
from transferkit.exports._format import Format
from transferkit.exports._formats import FORMATS
from transferkit.exports._int8 import Int8Images, in_8_bits, int8_problems, refuse
from transferkit.exports._metadata import metadata
from transferkit.exports._probes import generated_probes, given_probes
from transferkit.exports._proof import Gap, Proof
from transferkit.exports._report import ExportReport
from transferkit.exports._temporary import beside
from transferkit.foundation.arguments import check, choice, is_number, is_path


def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    format: str = "onnx",
    probes: Any = None,
    tolerance: float | None = None,
    precision: str = "float32",
    calibration: Any = None,
    validation: Any = None,
    max_loss: float = 0.01,
) -> ExportReport:
    """Export a fitted model to a single file that maps pixels to predictions, and verify the file.

    The file takes RGB pixels of images of any size and contains every step: resizing, normalization, the
    backbone, all views, the head and, for keypoints, each closer look. It is then loaded and run on probe
    images; it is kept only if its predictions are those of the model.

    Parameters
    ----------
    model : Classifier, ImageRegressor or KeypointRegressor
        A fitted model.
    path : path
        File to write, with the suffix ``.onnx``, ``.tflite`` for LiteRT, or ``.xml`` for OpenVINO, which
        stores the weights in a second file beside it with the suffix ``.bin``.
    format : {"onnx", "openvino", "litert"}, default="onnx"
        Runtime for the file: ONNX Runtime, OpenVINO or LiteRT. A LiteRT file takes images that are already
        resized to a square, and cannot contain closer looks.
    probes : image or sequence of images, optional
        Additional images on which to compare the predictions, such as test images.
    tolerance : float, optional
        Largest difference allowed between predictions: by default 0.001 for probabilities, 0.1 pixels for
        keypoints, and for values a thousandth of the range of each output over the probes.
    precision : {"float32", "int8"}, default="float32"
        With "int8", the backbone is quantized to 8-bit numbers; nothing else is. Not for LiteRT.
    calibration : image or sequence of images, optional
        Only for "int8": images from which the ranges of the 8-bit numbers are taken, such as up to 200
        training images.
    validation : (X, y), optional
        Only for "int8": images that were not trained on, and their targets, to measure the loss of accuracy.
        By default the file is compared with the model on the calibration images.
    max_loss : float, default=0.01
        Only for "int8": how much accuracy may be lost, as a difference of shares; for values and keypoints,
        the largest relative increase of the mean error.

    Returns
    -------
    ExportReport
        Its ``difference`` is the largest difference found.

    Raises
    ------
    ExportError
        A part of the model cannot be written in this format, the predictions differ, or more accuracy is lost
        than ``max_loss``. No file is written then.
    NotFittedError
        Before ``fit``.
    InvalidInputError
        An argument cannot be used.
    FileNotFoundError
        The folder of the path does not exist.
    MissingDependencyError
        A package that writes or runs this format is not installed, such as those of ``transferkit[export]``.
    BadImageError
        A probe cannot be read.

    See Also
    --------
    transferkit.load : Load models that ``save`` wrote, to use them in transferkit.

    Notes
    -----
    The metadata of the file are JSON values with these keys: "labels" or "names" of the outputs, "threshold"
    (position of a class, and the probability above which it is predicted), "thresholds", "task", "features"
    (with the digest of the weights), "views", and "proof".

    Examples
    --------
    >>> from transferkit import export, load
    >>> print(export(load("pets.safetensors"), "pets.onnx"))  # doctest: +SKIP
    pets.onnx: onnx, 12.9 MB
    probabilities of 8 probe images differ by 1e-05 at most (0.001 allowed)
    """
    check(
        _problems(model, format, path, tolerance)
        + int8_problems(precision, format, calibration, validation, max_loss)
    )
    kind, target = FORMATS[format], Path(path)
    kind.check_installed()
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"The folder {str(target.parent)!r} does not exist. Make it, then export again."
        )
    if model.extractor_ is None:
        raise InvalidInputError(
            "model must predict from images. This one was fitted with backbone='precomputed', on features."
        )
    _check_not_of_backbone(model, _places(target, kind))
    task, lost = model.predictor_.task, None
    given = None if precision == "float32" else Int8Images.of(model, calibration, validation)
    images = generated_probes() + ([] if probes is None else given_probes(probes))
    graph = kind.build(model.predictor_, given is None)
    proof = Proof.of(model, kind.given(model.predictor_, images), tolerance)
    output = answer_name(task)
    with beside(target) as exact, beside(target) as rounded:
        temporary = exact
        files, gap = _proved(kind, graph, exact, proof)
        if given is not None:
            temporary = rounded
            files = kind.write(in_8_bits(graph, given.calibration), rounded)
            run = kind.open(rounded)
            lost, gap = given.loss(task, kind.open(exact), run), proof.gap(run)
            refuse(lost, max_loss, format)
        notes = kind.notes(temporary, lambda run: proof.gap(run).difference)
        kind.describe(temporary, metadata(model.predictor_, gap, len(proof.probes)))
        n_bytes = sum(file.stat().st_size for file in files)
        _put(files, target)
    return ExportReport(
        str(target), format, n_bytes, output, gap.difference, gap.allowed, len(proof.probes), notes, lost
    )


def _places(target: Path, kind: Format) -> list[Path]:
    """Return all files that an export writes."""
    return [target.with_suffix(end) for end in (kind.suffix, *kind.others)]


def _check_not_of_backbone(model: Any, places: Sequence[Path]) -> None:
    settings = model.extractor_.settings()
    source = settings.weights.path
    if source is None or not source.is_file():
        return
    sources = files_of(source) if isinstance(settings.backbone.constructor, OnnxFile) else [source]
    for place in places:
        if place.exists() and any(file.exists() and place.samefile(file) for file in sources):
            raise InvalidInputError(
                f"path must not replace a file of the backbone, which the model needs: {str(place)!r}. "
                "Choose another name or folder."
            )


def _put(files: Sequence[Path], target: Path) -> None:
    """Move files to their final places, the model last, so that an old model never has new weights."""
    *others, model = files
    aside = model.with_suffix(".old")
    if others and target.exists():
        target.replace(aside)
    try:
        for file in others:
            file.replace(target.with_suffix(file.suffix))
    except OSError:
        if aside.exists():
            aside.replace(target)
        raise
    model.replace(target)


def _proved(kind: Format, graph: Any, path: Path, proof: Proof) -> tuple[list[Path], Gap]:
    """Write the files and verify them; return them, and the worst difference of their predictions."""
    try:
        files = kind.write(graph, path)
        return files, proof.check(kind.open(path), kind.name)
    except (ExportError, OSError):
        raise
    except Exception as error:  # a runtime may raise anything
        reason = next(iter(str(error).strip().splitlines()), "")
        others = quoted((name for name in FORMATS if name != kind.name), "or")
        raise ExportError(
            f"{kind.package} cannot run this model: {type(error).__name__}: {reason[:300]}. No file was "
            f"written. Pass format={others}."
        ) from error


def _problems(model: Any, format: Any, path: Any, tolerance: Any) -> list[str]:
    """Return what is wrong with the arguments."""
    problems = choice("format", format, tuple(FORMATS))
    if not isinstance(model, Classifier | ImageRegressor | KeypointRegressor):
        problems.append(
            "model must be a fitted Classifier, ImageRegressor or KeypointRegressor. "
            f"Got an object of type {type(model).__name__}."
        )
    if not is_path(path):
        problems.append(f"path must be the path of the file to write. Got {path!r}.")
    elif not problems and Path(path).suffix != FORMATS[format].suffix:
        problems.append(
            f"path must end in {FORMATS[format].suffix!r} for format={format!r}. Got {os.fspath(path)!r}."
        )
    elif not problems:
        problems += [
            f"path must be where a file can be written. {str(place)!r} is a folder."
            for place in _places(Path(path), FORMATS[format])
            if place.is_dir()
        ]
    if tolerance is not None and not is_number(tolerance, above=0):
        problems.append(f"tolerance must be a positive number, or None. Got {tolerance!r}.")
    return problems
