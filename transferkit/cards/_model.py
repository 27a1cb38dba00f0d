"""Section on the model: its task, its backbone, its input, and its head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit._version import __version__
from transferkit.cards._card import Section

_MOST_NAMED = 20  # classes or points


def about_model(estimator: Any) -> Section:
    """Return the section on a fitted estimator, trained on images or features."""
    predictor = estimator.predictor_
    facts = [("Answers", _answers(predictor.task)), ("Estimator", type(estimator).__name__)]
    if predictor.extractor is None:
        facts.append(
            ("Input", f"features that the caller makes, {estimator.n_features_in_:,} for each image")
        )
    else:
        facts += _seen(predictor.extractor.describe())
        facts.append(("Views of each image", ", ".join(view.name for view in predictor.views)))
    if predictor.fine_tuning is not None:
        facts.append(("Fine-tuning", _fine_tuning(predictor.fine_tuning)))
    facts.append(("Head", repr(estimator.head_)))
    if predictor.wide_look is not None:
        limit = f"{predictor.wide_look.limit:.1%} of the size of the shape"
        facts.append(
            ("Another first look", f"where an image and its mirror image disagree by more than {limit}")
        )
    if predictor.refinements:
        facts.append(("Closer looks", f"{len(predictor.refinements)}"))
    facts.append(("Versions that wrote this", f"transferkit {__version__}, numpy {np.__version__}"))
    return Section("Model", tuple(facts))


def named(values: Sequence[Any]) -> str:
    """Return labels in words; if there are very many, only some of them."""
    names = [str(value) for value in values[:_MOST_NAMED]]
    more = f" and {len(values) - _MOST_NAMED:,} more" if len(values) > _MOST_NAMED else ""
    return ", ".join(names) + more


def _answers(task: Any) -> str:
    if task.kind == "classes":
        return f"one of {len(task.labels):,} classes: {named(task.labels.tolist())}"
    if task.kind == "labels":
        return f"any of {len(task.labels):,} labels: {named(task.labels.tolist())}"
    if task.kind == "points":
        where = "the box of a subject" if getattr(task, "boxed", False) else "an image"
        return f"{task.n_outputs // 2:,} keypoints in {where}, in pixels"
    names = f": {named(task.names)}" if getattr(task, "names", None) else ""
    return f"{task.n_outputs:,} number{'' if task.n_outputs == 1 else 's'}{names}"


def _seen(recipe: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the settings that features depend on."""
    backbone = recipe["backbone"]
    facts = [("Backbone", str(backbone.get("name")))]
    weights = backbone.get("weights")
    facts.append(("Weights", f"SHA-256 {weights}" if weights else "none"))
    side = recipe["image_size"]
    facts.append(("Image size", f"{side} x {side} pixels ({recipe['resize']})"))
    facts.append(("Layers", _layers(recipe)))
    for name in ("value_range", "frame", "channels"):
        if recipe.get(name) is not None:
            facts.append((name.replace("_", " ").capitalize(), str(recipe[name])))
    facts.append(("Engine", f"{recipe['engine']}, {recipe['precision']}"))
    return facts


def _fine_tuning(done: Any) -> str:
    share = done.n_trained / done.n_parameters
    what = "closer look: " if done.of_closer_look else ""
    return (
        f"{what}{done.n_trained:,} weights ({share:.0%}) from {done.first_layer} on, from those of SHA-256 "
        f"{done.started_from}; epoch {done.best_epoch} of {done.epochs}, held-out loss {done.loss:.4g} -> "
        f"{done.best_loss:.4g}"
    )


def _layers(recipe: dict[str, Any]) -> str:
    layers, grid = recipe["layers"], recipe["grid"]
    grids = grid if isinstance(grid, list | tuple) else [grid] * len(layers)
    cells = ["whole map" if one in ("full", None) else f"{one} x {one}" for one in grids]
    return ", ".join(f"{layer} ({cell})" for layer, cell in zip(layers, cells, strict=False))
