"""Recipes: everything that can change an activation, as JSON, and the key of a space derived from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from transferkit.cache._sqlite import SCHEMA_VERSION
from transferkit.errors import InvalidInputError

# Raise this when recipes get other keys or other values for the same settings, such as a new decoder: spaces
# of a lower format can no longer be hit, and are reported as outdated.
RECIPE_FORMAT: int = 3


def space_identity(recipe: Mapping[str, Any], dtype: str) -> str:
    """Return the canonical JSON of a recipe and of everything else that distinguishes stored rows."""
    identity = {"dtype": dtype, "recipe": dict(recipe), "schema": SCHEMA_VERSION}
    if RECIPE_FORMAT > 1:  # the first version did not write it
        identity["format"] = RECIPE_FORMAT
    return canonical_json(identity, "A recipe")


def is_outdated(identity: Mapping[str, Any]) -> bool:
    """Return True for the identity of a space that only earlier versions can use."""
    return identity.get("format", 1) < RECIPE_FORMAT


def space_key(identity: str) -> str:
    """Return the key of a space, the SHA-256 of its identity."""
    return hashlib.sha256(identity.encode()).hexdigest()


def canonical_json(value: Any, what: str) -> str:
    """Return JSON with sorted keys, so that equal values give equal texts."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{what} must be JSON: strings, finite numbers, booleans, None, lists and mappings of these. "
            f"Got {value!r} ({error})."
        ) from error
