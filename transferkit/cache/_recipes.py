"""A recipe: everything that can change an activation, as JSON, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from transferkit.cache._sqlite import SCHEMA_VERSION
from transferkit.errors import InvalidInputError


def space_identity(recipe: Mapping[str, Any], dtype: str) -> str:
    """Return the canonical JSON of a recipe and of what else makes stored rows differ."""
    return canonical_json({"dtype": dtype, "recipe": dict(recipe), "schema": SCHEMA_VERSION}, "A recipe")


def space_key(identity: str) -> str:
    """Return the name of a space, the SHA-256 of its identity."""
    return hashlib.sha256(identity.encode()).hexdigest()


def canonical_json(value: Any, what: str) -> str:
    """Return JSON that is the same for equal values, whatever the order of their keys."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{what} must be JSON: strings, finite numbers, booleans, None, lists and mappings of these. "
            f"Got {value!r} ({error})."
        ) from error
