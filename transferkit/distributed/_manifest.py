"""The manifest of an output: the feature space of its rows, and the versions that compute them."""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transferkit._version import __version__
from transferkit.errors import InvalidInputError
from transferkit.extraction import Extraction
from transferkit.identity import feature_differences
from transferkit.views import View

FORMAT = 1
NAME = "manifest.json"
_PACKAGES = {"keras": ("keras", "tensorflow"), "openvino": ("openvino",), "onnxruntime": ("onnxruntime",)}


@dataclass(frozen=True)
class Manifest:
    """What all rows of an output have in common.

    Attributes
    ----------
    recipe : dict
        The recipe of the feature space, as in the local cache.
    layers, parts, views : tuple of str
        Names; parts are the columns, each a layer with its grid.
    half : bool
        Whether rows are rounded to half precision if that is precise enough.
    """

    recipe: dict[str, Any]
    layers: tuple[str, ...]
    parts: tuple[str, ...]
    views: tuple[str, ...]
    half: bool

    @classmethod
    def of(cls, extraction: Extraction, views: Sequence[View]) -> Manifest:
        """Return the manifest of an extraction; this also makes the final choice of its engine."""
        settings = extraction.settings()
        half = settings.space.half  # makes the final choice of the engine, which the recipe names
        recipe = json.loads(json.dumps(settings.description))
        return cls(recipe, settings.layers, settings.parts, tuple(view.name for view in views), half)

    @classmethod
    def parse(cls, text: bytes, place: str) -> Manifest:
        """Return the manifest in a text; raise InvalidInputError if it is not one."""
        try:
            found = json.loads(text)
            known = found.pop("format")
            if known == FORMAT:
                lists = {name: tuple(found[name]) for name in ("layers", "parts", "views")}
                return cls(**{**found, **lists})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidInputError(
                f"{place} must be a manifest of features. It cannot be read: {error!r}. Pass the folder that "
                "distributed.extract wrote."
            ) from error
        raise InvalidInputError(
            f"{place} must have format {FORMAT}. Got format {known!r}. A newer transferkit wrote it: upgrade."
        )

    def text(self) -> bytes:
        """Return the manifest as text to write."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n").encode()

    def covers(self, text: bytes) -> bool:
        """Return True if rows of another manifest are equal to those of this one up to rounding."""
        return _covers(self.text(), text)

    def differences(self, current: Manifest) -> list[str]:
        """Return the differences between the rows of two manifests, including the engine, one phrase each."""
        known, asked = ({**each.recipe, **asdict(each)} for each in (self, current))
        backbones = [facts.pop("backbone") for facts in (known, asked)]
        for facts in (known, asked):
            del facts["recipe"]
        phrases = feature_differences(*backbones)
        return phrases + [
            f"{name} was {_shown(known.get(name))} and is {_shown(asked.get(name))}"
            for name in sorted(known | asked)
            if known.get(name) != asked.get(name)
        ]


@functools.lru_cache(maxsize=16)
def _covers(known: bytes, text: bytes) -> bool:
    try:
        one, other = (Manifest.parse(each, "a shard") for each in (known, text))
    except InvalidInputError:  # written by a later version
        return False
    return not one.differences(other)


def versions(engine: str) -> dict[str, str]:
    """Return the versions of all packages that can change features."""
    found = {"transferkit": __version__}
    for package in ("pillow", *_PACKAGES.get(engine, ())):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def _shown(value: Any) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)
