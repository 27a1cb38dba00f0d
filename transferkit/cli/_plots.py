"""Draw an evaluation to files: what ``transferkit evaluate --plots`` does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transferkit.errors import InvalidInputError, MissingDependencyError

_DPI = 120


def check_plots(folder: str | None) -> None:
    """Raise before anything takes its time."""
    if folder is None:
        return
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("matplotlib", "plots", "--plots")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InvalidInputError(f"plots must be a folder. {folder} is a file.")


def write_plots(evaluation: Any, folder: Path) -> list[Path]:
    """Draw what there is to draw of an evaluation, and return the files.

    Parameters
    ----------
    evaluation : evaluation or Comparison
        Result of :func:`transferkit.evaluate` or :func:`transferkit.compare`.
    folder : Path
        Made when missing; files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in _drawings(evaluation).items():
        written.append(folder / f"{name}.png")
        save(draw(), written[-1])
    return written


def save(axes: Any, path: str | Path) -> None:
    """Write the figure of one or more Axes, and forget it."""
    import numpy as np
    from matplotlib import pyplot

    figure = np.ravel(axes)[0].figure
    figure.savefig(path, dpi=_DPI)
    pyplot.close(figure)


def _drawings(evaluation: Any) -> dict[str, Callable[[], Any]]:
    """Return what draws each file, by its name."""
    from transferkit import plots
    from transferkit.comparison import Comparison
    from transferkit.evaluation import ClassificationEvaluation, KeypointEvaluation, ValueEvaluation

    if isinstance(evaluation, Comparison):
        return {"comparison": partial(plots.plot_comparison, evaluation)}
    if isinstance(evaluation, KeypointEvaluation):
        drawings: dict[str, Callable[[], Any]] = {
            "error_curve": partial(plots.plot_error_curve, evaluation, limit=evaluation.limit),
            "keypoints": partial(plots.plot_keypoints, evaluation),
        }
        if evaluation.expected_error is not None:
            drawings["expected_error"] = partial(plots.plot_expected_error, evaluation)
        return drawings
    if isinstance(evaluation, ValueEvaluation):
        n = 1 if evaluation.true.ndim == 1 else evaluation.true.shape[1]
        names = ["values"] if n == 1 else [f"values_{i}" for i in range(n)]
        return {name: partial(plots.plot_values, evaluation, output=i) for i, name in enumerate(names)}
    curves: dict[str, Callable[[], Any]] = {
        "roc": partial(plots.plot_roc, evaluation),
        "calibration": partial(plots.plot_calibration, evaluation),
    }
    if not isinstance(evaluation, ClassificationEvaluation):
        return curves
    return {
        "confusion_matrix": partial(plots.plot_confusion_matrix, evaluation),
        "mistakes": partial(plots.plot_mistakes, evaluation),
        **curves,
    }
