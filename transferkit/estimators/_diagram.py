"""scikit-learn's picture of an estimator: what an image goes through, from the backbone to the head."""

from __future__ import annotations

from typing import Any

from transferkit.backbones import get_backbone
from transferkit.estimators._precomputed import is_precomputed


def diagram(estimator: Any, *, fitted: bool) -> Any:
    """Return the blocks that scikit-learn draws in a notebook, one below the other.

    Before ``fit`` they show what was asked for; afterwards, what was chosen. Nothing is built.
    """
    from sklearn.pipeline import Pipeline

    head = estimator.head_ if fitted else estimator._head()
    steps = [*_source(estimator, head, fitted), f"head {head}"]
    if rounds := len(getattr(estimator, "refinements_", ())):
        steps.append(f"closer look, {rounds} round{'s' * (rounds > 1)}")
    # A pipeline knows how to draw steps, also those that are only words.
    return Pipeline([(str(i), step) for i, step in enumerate(steps)])._sk_visual_block_()


def _source(estimator: Any, head: Any, fitted: bool) -> list[str]:
    """Return where features come from, in words."""
    if is_precomputed(estimator.backbone):
        return ["precomputed features"]
    row = get_backbone(estimator.backbone)
    if fitted:
        size, layers = estimator.extractor_.image_size_, " + ".join(estimator.extractor_.layers_)
        if chosen := [
            row for row in estimator.selection_ if row.get("chosen") and isinstance(row["layers"], str)
        ]:
            shares = ", ".join(f"{share:.0%}" for share in chosen[0]["shares"])
            layers = f"{chosen[0]['layers'].replace('+', ' + ')} ({shares})"
    else:
        size = row.check_image_size(estimator.image_size)
        asked, _ = estimator._layers_and_grid(head)
        names = row.layers if asked == "auto" else [asked] if isinstance(asked, str) else asked
        layers = " + ".join(names)
    return [f"backbone {row.name}, {size} x {size} pixels", f"layers {layers}"]
