"""The recipe of a feature space: everything that can change a feature, as JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit import images

# Engines with the same float32 features: each is compared with Keras before it runs.
EQUIVALENT_ENGINES = ("keras", "openvino")


def describe_features(
    backbone: Mapping[str, Any],
    *,
    image_size: int,
    resize: str,
    value_range: tuple[float, float] | None,
    engine: str,
    precision: str,
) -> dict[str, Any]:
    """Return the recipe of a feature space.

    Layers, grids and views are not part of it: they are in the key of each row.

    Parameters
    ----------
    backbone : mapping
        As :func:`describe_backbone` returns it.
    image_size, resize, value_range, engine, precision
        As for :class:`FeatureExtractor`; ``engine`` is the one that runs.
    """
    return {
        "backbone": dict(backbone),
        "image_size": image_size,
        "decoder": images.decoder(),
        "resize": resize,
        # The digest of a float array does not say which range it spans.
        "value_range": None if value_range is None else list(value_range),
        "engine": engine,
        "precision": precision,
    }


def feature_differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return what differs between two descriptions of features, one phrase each.

    Engines that give the same float32 features do not count, nor whether truncated images are allowed.
    """
    saved, current = both = [_strict(saved), _strict(current)]
    same_engine = all(
        facts.get("engine") in EQUIVALENT_ENGINES and facts.get("precision") == "float32" for facts in both
    )
    return [
        f"{name} was {saved.get(name)!r} and is {current.get(name)!r}"
        for name in sorted({*saved, *current})
        if saved.get(name) != current.get(name) and not (name == "engine" and same_engine)
    ]


def _strict(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description as where truncated images are not allowed."""
    decoder = facts.get("decoder")
    strict = {"decoder": decoder.removesuffix(images.TRUNCATED)} if isinstance(decoder, str) else {}
    return {**facts, **strict}
