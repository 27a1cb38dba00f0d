"""Make the card of a fitted estimator."""

from __future__ import annotations

from typing import Any

from transferkit.cards._card import ModelCard
from transferkit.cards._data import about_data
from transferkit.cards._figures import about_audit, about_decisions, about_evaluation, about_held_out
from transferkit.cards._limits import about_limits
from transferkit.cards._model import about_model


def make_card(estimator: Any, evaluation: Any = None, audit: Any = None, *, n_known: int = 0) -> ModelCard:
    """Return the card of a fitted estimator.

    Parameters
    ----------
    estimator : fitted estimator
    evaluation : evaluation, optional
        Evaluation on images that it has not seen.
    audit : AuditReport, optional
        Audit of its training data.
    n_known : int, default=0
        Number of images of the evaluation that it was trained on.
    """
    sections = [
        about_model(estimator),
        about_data(estimator),
        about_held_out(estimator),
        None if evaluation is None else about_evaluation(evaluation, n_known),
        None if audit is None else about_audit(audit),
        about_decisions(estimator),
        about_limits(estimator, evaluation, audit, n_known),
    ]
    kept = tuple(section for section in sections if section is not None)
    return ModelCard(f"Model card: {_name(estimator)}", kept)


def _name(estimator: Any) -> str:
    extractor = estimator.predictor_.extractor
    backbone = "features" if extractor is None else extractor.describe()["backbone"].get("name")
    return f"{type(estimator).__name__} on {backbone}"
