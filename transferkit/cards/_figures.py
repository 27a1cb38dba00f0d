"""Sections on the quality of a model: on held-out training images, on a test, and according to an audit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from transferkit.cards._card import Section
from transferkit.foundation.tables import Table
from transferkit.metrics import Figure, classification_figures, label_figures

_TITLES = {
    "auc": "AUC", "brier": "Brier score", "f1": "F1", "macro_auc": "macro AUC", "macro_f1": "macro F1",
    "mcc": "MCC", "micro_f1": "micro F1",
}  # fmt: skip
_OPTIMISTIC = (
    "The head and its settings were chosen on these images, too: on new ones, figures are likely to be a "
    "little worse."
)


def about_held_out(estimator: Any) -> Section | None:
    """Return figures on held-out training images; None if there are none."""
    held_out = getattr(estimator, "held_out_", None)
    if held_out is not None and len(held_out):
        return _classified(estimator.predictor_.task, held_out)
    rounds = [one for one in getattr(estimator, "rounds_", []) if one.used]
    if rounds and math.isfinite(rounds[-1].held_out_error or math.nan):
        error = f"{rounds[-1].held_out_error:.2%} of the size of the shape (the larger side of its box)"
        return Section("Held-out training images", (("Mean error of keypoints", error), ("", _OPTIMISTIC)))
    return None


def _classified(task: Any, held_out: Any) -> Section:
    chances, groups = held_out.probabilities(task), held_out.by_group
    logits = held_out.logits.astype(float)
    figures: Mapping[str, Figure]
    if task.kind == "classes":
        truth, predicted = task.labels[held_out.targets], task.decode(logits)
        figures = classification_figures(truth, predicted, chances, classes=task.labels, groups=groups).whole
    else:
        figures = label_figures(
            held_out.targets, task.decode(logits), chances, labels=task.labels, groups=groups
        ).whole
    rows = [
        [_TITLES.get(name, name.replace("_", " ")), f"{one.value:.3f}", _interval(one)]
        for name, one in figures.items()
        if math.isfinite(one.value)
    ]
    others = "exact copies of it" if groups is None else "any of its group or copies"
    facts = [
        (
            "Images",
            f"{len(held_out):,}, each judged by a model that had seen neither it nor {others}",
        ),
        ("", _OPTIMISTIC),
    ]
    if task.kind == "classes" and len(task.labels) == 2:
        facts.insert(1, ("Positive class", str(task.labels[1])))
    return Section("Held-out training images", tuple(facts), (Table(("figure", "value", "95 %"), rows),))


def about_decisions(estimator: Any) -> Section | None:
    """Return the section on thresholds, and on what else the model offers for decisions."""
    predictor = estimator.predictor_
    task, facts = predictor.task, []
    sought = getattr(task, "threshold", None)
    if sought is not None:
        label = task.labels.tolist()[sought[0]]
        facts.append(("Threshold", f"{label} is predicted where its probability is above {sought[1]:.4g}"))
    if getattr(task, "thresholds", None) is not None:
        pairs = zip(task.labels.tolist(), task.thresholds.tolist(), strict=True)
        facts.append(("Thresholds", ", ".join(f"{label} {value:.4g}" for label, value in pairs)))
    if task.kind in ("classes", "labels"):
        way = getattr(estimator, "calibrate", None)
        facts.append(("Calibration", f"calibrate={way!r}"))
    if predictor.novelty is not None:
        known = f"{len(predictor.novelty.vectors):,} training images are kept to compare with"
        facts.append(("Images like none of the training", f"are told by novelty(); {known}"))
    if predictor.expected_error is not None:
        facts.append(("Error of each point", "is estimated by predict(return_error=True)"))
    return Section("Decisions", tuple(facts)) if facts else None


def about_evaluation(evaluation: Any, n_known: int) -> Section:
    """Return the tables of an evaluation, and how many of its images the model was trained on."""
    facts = []
    if n_known:
        facts.append(
            (
                "",
                f"The model was trained on {n_known:,} of these images: they say nothing of new ones.",
            )
        )
    return Section("Test", tuple(facts), tuple(evaluation.tables()))


def about_audit(audit: Any) -> Section:
    """Return the findings of an audit of the training data."""
    rows = [[check.severity, check.kind, check.summary] for check in audit.checks if check.severity != "fine"]
    quiet = ", ".join(check.kind for check in audit.checks if check.severity == "fine")
    facts = [("", f"{audit.title()}.")] + ([("", f"Nothing found: {quiet}.")] if quiet else [])
    table = Table(("severity", "check", "found"), rows, left=(0, 1, 2))
    return Section("Audit of the training data", tuple(facts), (table,) if rows else ())


def _interval(figure: Figure) -> str:
    return "–" if math.isnan(figure.low) else f"{figure.low:.3f} to {figure.high:.3f}"
