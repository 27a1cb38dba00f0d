"""The recipe of a feature space: everything that can change a feature, as JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit import images
from transferkit.identity._probe import difference

# Engines with the same float32 features: OpenVINO is compared with the other one before it is used.
EQUIVALENT_ENGINES = ("keras", "openvino", "onnxruntime")
# With decoder 2, a quarter of the pixels of tall images differed by one level between versions of Pillow: too
# little to reject a saved model. With decoder 3, DICOM with a negative slope and TIFF of signed bytes were
# misread, which few models have seen. The cache keeps the decoders apart.
_EQUIVALENT_DECODERS = {"2": "4", "3": "4"}


def describe_features(
    backbone: Mapping[str, Any],
    *,
    image_size: int,
    resize: str,
    value_range: tuple[float, float] | None,
    selection: images.Selection = images.EVERYTHING,
    engine: str,
    precision: str,
) -> dict[str, Any]:
    """Return the recipe of a feature space.

    Layers, grids and views are not part of it: they are in the key of each row.

    Parameters
    ----------
    backbone : mapping
        The result of :func:`describe_backbone`.
    image_size, resize, value_range, engine, precision
        As for :class:`FeatureExtractor`; ``engine`` is the one that is used.
    selection : Selection
        Frame and channels of images.
    """
    return {
        "backbone": dict(backbone),
        "image_size": image_size,
        "decoder": images.decoder(),
        "resize": resize,
        # The digest of a float array does not include the range of its values.
        "value_range": None if value_range is None else list(value_range),
        "engine": engine,
        "precision": precision,
        # Left out by default, as in earlier versions, so that cached features stay valid.
        **({} if selection.frame is None else {"frame": selection.frame}),
        **({} if selection.channels is None else {"channels": list(selection.channels)}),
    }


def feature_differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return the differences between two descriptions of features or of backbones, one phrase each.

    These do not count: engines with the same float32 features, decoders that differ by one level in some
    pixels, whether truncated images are allowed, and rounding in the outputs for probe images.
    """
    saved, current = both = [_strict(saved), _strict(current)]
    same_engine = all(
        facts.get("engine") in EQUIVALENT_ENGINES and facts.get("precision") == "float32" for facts in both
    )
    ignored = {"engine"} if same_engine else set()
    phrases = []
    # A description that was saved by an earlier version may have no outputs for probe images.
    if all(isinstance(facts.get("probe"), str) for facts in both):
        ignored.add("preprocess_input")  # covered better by the probe images
        if phrase := difference(saved["probe"], current["probe"]):
            phrases.append(phrase)
    ignored.add("probe")
    return phrases + [
        f"{name} was {saved.get(name)!r} and is {current.get(name)!r}"
        for name in sorted({*saved, *current} - ignored)
        if saved.get(name) != current.get(name)
    ]


def _strict(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat description that does not depend on whether truncated images are allowed."""
    decoder, backbone = facts.get("decoder"), facts.get("backbone")
    strict: dict[str, Any] = {}
    if isinstance(decoder, str):
        decoder = decoder.removesuffix(images.TRUNCATED)
        strict["decoder"] = _EQUIVALENT_DECODERS.get(decoder, decoder)
    if isinstance(backbone, Mapping):
        names = {"name": "backbone", "version": "backbone version"}
        strict |= {names.get(str(name), str(name)): value for name, value in backbone.items()}
    return {**facts, **strict}
