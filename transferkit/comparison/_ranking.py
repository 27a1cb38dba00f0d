"""Ranking of candidates, with paired differences from the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from transferkit.comparison._comparison import BEST, NOISE, UNKNOWN, WORSE, ComparisonRow
from transferkit.comparison._run import Run
from transferkit.evaluation import LOWER_IS_BETTER, Evaluation
from transferkit.metrics import Figure, percentile_figure


def ranked(
    runs: Sequence[Run], evaluations: Sequence[Evaluation], metric: str, confidence: float
) -> list[ComparisonRow]:
    """Return the rows, the best first, each with its difference from the best on the same resamples."""
    values = np.array([evaluation.figures[metric].value for evaluation in evaluations])
    order = np.argsort(values if metric in LOWER_IS_BETTER else -values, kind="stable")  # NaN comes last
    best = evaluations[order[0]]
    rows = []
    for place in order:
        run, evaluation = runs[place], evaluations[place]
        difference = _difference(evaluation, best, metric, confidence)
        verdict = BEST if evaluation is best else _verdict(difference)
        rows.append(
            ComparisonRow(
                run.name,
                evaluation.figures[metric],
                difference,
                verdict,
                run.speed.ms_per_image,
                run.seconds,
                run.n_cached,
                run.bytes_per_image,
                run.speed.n_parameters,
                run.engine,
                evaluation,
            )
        )
    return rows


def _difference(one: Evaluation, best: Evaluation, metric: str, confidence: float) -> Figure:
    """Return the paired difference of a figure."""
    value = one.figures[metric].value - best.figures[metric].value
    if one is best or math.isnan(value):
        return Figure(value, value, value)
    samples = one.resampled(metric) - best.resampled(metric)
    return percentile_figure(value, samples, confidence=confidence)


def _verdict(difference: Figure) -> str:
    """Return the verdict that the interval of a difference implies."""
    if math.isnan(difference.low):
        return UNKNOWN
    return NOISE if difference.low <= 0 <= difference.high else WORSE
