"""The diagram that scikit-learn draws of an estimator, from the backbone to the head."""

from __future__ import annotations

from typing import Any

from transferkit.backbones import get_backbone
from transferkit.extraction import is_precomputed


def diagram(estimator: Any, *, fitted: bool) -> Any:
    """Return the blocks that scikit-learn draws in a notebook, one below the other.

    Before ``fit`` they show the parameters; afterwards, what was chosen.
    """
    from sklearn.pipeline import Pipeline

    head = estimator.head_ if fitted else estimator._head()
    steps = [*_source(estimator, head, fitted), f"head {head}"]
    if rounds := len(estimator.predictor_.refinements) if fitted else 0:
        steps.append(f"closer look, {rounds} round{'s' * (rounds > 1)}")
    # A pipeline can draw steps, even if they are only words.
    return Pipeline([(str(i), step) for i, step in enumerate(steps)])._sk_visual_block_()


def _source(estimator: Any, head: Any, fitted: bool) -> list[str]:
    """Describe where features come from."""
    if is_precomputed(estimator.backbone):
        return ["precomputed features"]
    backbone = get_backbone(estimator.backbone)
    if fitted:
        size, layers = estimator.extractor_.image_size_, " + ".join(estimator.extractor_.layers_)
        if chosen := [trial for trial in estimator.layer_selection_ if trial.chosen]:
            shares = ", ".join(f"{share:.0%}" for share in chosen[0].shares)
            layers = f"{str(chosen[0].layers).replace('+', ' + ')} ({shares})"
    else:
        size = backbone.check_image_size(estimator.image_size)
        asked = estimator._taps(head).layers
        names = backbone.layers if asked == "auto" else [asked] if isinstance(asked, str) else asked
        layers = " + ".join(names)
    return [f"backbone {backbone.name}, {size} x {size} pixels", f"layers {layers}"]
