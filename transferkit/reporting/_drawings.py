"""The plots of an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


def drawings(evaluation: Any) -> dict[str, Callable[[], Any]]:
    """Return functions that draw the plots of an evaluation or a comparison, by name."""
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
