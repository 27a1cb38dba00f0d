"""Write a fitted model to a file that other programs run, and prove that it answers the same."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transferkit._version import __version__
from transferkit.errors import InvalidInputError
from transferkit.estimators import Classifier, ImageRegressor, KeypointRegressor
from transferkit.export._formats import FORMATS
from transferkit.export._model import build
from transferkit.export._probes import generated_probes, given_probes
from transferkit.export._proof import Proof
from transferkit.export._report import ExportReport
from transferkit.foundation.arguments import check, choice, is_number, is_path


def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    format: str = "onnx",
    probes: Sequence[Any] | None = None,
    tolerance: float | None = None,
) -> ExportReport:
    check(_problems(model, path, format, tolerance))
    kind, target = FORMATS[format], Path(path)
    kind.check_installed()
    predictor = model._fitted()
    if predictor.extractor is None:
        raise InvalidInputError("model must predict from images. This one was fitted with backbone='precomputed'.")
    images = generated_probes() + given_probes(probes or ())
    proof = Proof.of(model, images, tolerance)
    onnx_model = build(predictor)
    name = onnx_model.graph.output[0].name
    with _beside(target) as temporary:
        files = kind.write(onnx_model, temporary)
        difference = proof.check(kind.open(files[0]), format)
        metadata = _metadata(predictor, proof, difference)
        kind.add_metadata(files[0], metadata)
        size = sum(file.stat().st_size for file in files)
        for file in reversed(files):  # the model last
            file.replace(target.with_suffix(file.suffix))
    return ExportReport(str(target), format, size, name, difference, proof.tolerance, len(images))


def _metadata(predictor: Any, proof: Proof, difference: float) -> dict[str, str]:
    task = predictor.task.to_json()
    facts = {
        "task": task,
        "features": predictor.extractor.describe(),
        "views": [view.name for view in predictor.views],
        "proof": {
            "difference": difference,
            "tolerance": proof.tolerance,
            "n_probes": len(proof.probes),
        },
    }
    facts |= {name: task[name] for name in ("labels", "thresholds", "names") if name in task}
    return {"transferkit": __version__} | {name: json.dumps(value) for name, value in facts.items()}


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a path beside the target for a file that goes if anything fails."""
    stem = f".transferkit-{secrets.token_hex(8)}"
    try:
        yield target.with_name(stem + target.suffix)
    finally:
        for left in target.parent.glob(f"{stem}*"):
            left.unlink()


def _problems(model: Any, path: Any, format: Any, tolerance: Any) -> list[str]:
    problems = choice("format", format, tuple(FORMATS))
    if not isinstance(model, Classifier | ImageRegressor | KeypointRegressor):
        problems.append(
            "model must be a fitted Classifier, ImageRegressor or KeypointRegressor. "
            f"Got {type(model).__name__}. Of others, export the extractor's estimator."
        )
    return problems
