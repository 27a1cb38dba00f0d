"""The recipe of a feature space: everything that can change a feature, as JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit import images
from transferkit.identity._probe import difference

# Engines with the same float32 features: OpenVINO is compared with the other before it runs.
EQUIVALENT_ENGINES = ("keras", "openvino", "onnxruntime")
# Under decoder 2, a quarter of the pixels of tall images depended on the version of Pillow, by one level: too
# little to refuse a saved model for. Under decoder 3, DICOM with a negative slope and TIFF of bytes with a
# sign were misread, which few models have seen. The cache keeps them apart.
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
        As :func:`describe_backbone` returns it.
    image_size, resize, value_range, engine, precision
        As for :class:`FeatureExtractor`; ``engine`` is the one that runs.
    selection : Selection
        Frame and channels.
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
        # Without a choice, as before there was one: what is cached stays valid.
        **({} if selection.frame is None else {"frame": selection.frame}),
        **({} if selection.channels is None else {"channels": list(selection.channels)}),
    }


def feature_differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return what differs between two descriptions of features or of backbones, one phrase each.

    Engines that give the same float32 features do not count, nor decoders that differ by a level in some
    pixels, nor whether truncated images are allowed, nor rounding in the answers of a network to probes.
    """
    saved, current = both = [_strict(saved), _strict(current)]
    same_engine = all(
        facts.get("engine") in EQUIVALENT_ENGINES and facts.get("precision") == "float32" for facts in both
    )
    ignored = {"engine"} if same_engine else set()
    phrases = []
    # Only one of them has probes if it was saved by an earlier version.
    if all(isinstance(facts.get("probe"), str) for facts in both):
        ignored.add("preprocess_input")  # the probes show more of it
        if phrase := difference(saved["probe"], current["probe"]):
            phrases.append(phrase)
    ignored.add("probe")
    return phrases + [
        f"{name} was {saved.get(name)!r} and is {current.get(name)!r}"
        for name in sorted({*saved, *current} - ignored)
        if saved.get(name) != current.get(name)
    ]


def _strict(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat description, as where truncated images are not allowed."""
    decoder, backbone = facts.get("decoder"), facts.get("backbone")
    strict: dict[str, Any] = {}
    if isinstance(decoder, str):
        decoder = decoder.removesuffix(images.TRUNCATED)
        strict["decoder"] = _EQUIVALENT_DECODERS.get(decoder, decoder)
    if isinstance(backbone, Mapping):
        names = {"name": "backbone", "version": "backbone version"}
        strict |= {names.get(str(name), str(name)): value for name, value in backbone.items()}
    return {**facts, **strict}
