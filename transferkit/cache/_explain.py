"""Explain why the features of an image are in the cache or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from transferkit.cache._reading import part_names
from transferkit.cache._report import inspect_folder, short
from transferkit.cache._rows import RowKey, digest_bytes
from transferkit.cache._space import FeatureSpace
from transferkit.errors import quoted

ABSENT = object()


def explain(
    space: FeatureSpace, recipe: Mapping[str, Any], digest: str, parts: Sequence[str], view: str
) -> str:
    """Return one or two sentences on why the features of an image are in a space or not."""
    key, names = RowKey(digest, view), part_names(parts)
    raw = digest_bytes(key)
    if not space.path.exists():
        return f"Miss: there is no feature space for this recipe.\n{_nearest(space.path.parent, recipe)}"

    def stored_parts(db: Connection) -> list[tuple[str, str]]:
        return db.execute(
            "SELECT views.name, parts.name FROM rows JOIN views ON views.id = rows.view "
            "JOIN parts ON parts.id = rows.part WHERE digest = ? ORDER BY views.id, parts.id",
            (raw,),
        ).fetchall()

    stored = space.database.read(stored_parts) or []
    views = list(dict.fromkeys(name for name, _ in stored))
    if not views:
        return f"Miss: no image with digest {digest[:12]} is in the feature space {space.key[:12]}."
    if view not in views:
        return f"Miss: the image is stored, but not in view {view!r} (has: {quoted(views)})."
    has = [part for name, part in stored if name == view]
    lacking = [name for name in names if name not in has]
    if lacking:
        return f"Miss: view {view!r} of the image lacks {quoted(lacking)} (has: {quoted(has)})."
    sound = space.read([key], names)
    damaged = [name for name in names if (key, name) not in sound]
    if damaged:
        return f"Miss: {quoted(damaged)} of view {view!r} was damaged and will be computed again."
    return f"Hit: {quoted(names)} of view {view!r} in the feature space {space.key[:12]}."


def _nearest(folder: Path, recipe: Mapping[str, Any]) -> str:
    """Return a sentence about the space whose recipe differs least."""
    requested = json.loads(json.dumps(dict(recipe)))
    best: list[str] | None = None
    for space in inspect_folder(folder).spaces:
        if space.problem:
            continue
        differing = sorted(
            name
            for name in {*requested, *space.recipe}
            if requested.get(name, ABSENT) != space.recipe.get(name, ABSENT)
        )
        texts = [
            f"{name!r} (stored: {_value(space.recipe, name)}, requested: {_value(requested, name)})"
            for name in differing
        ]
        if space.outdated:
            texts.append("the format, that of an earlier version")
        texts = texts or ["the stored dtype"]
        if best is None or len(texts) < len(best):
            best = texts
    if best is None:
        return "The cache is empty."
    return f"The nearest one differs only in {', '.join(best)}."


def _value(recipe: Mapping[str, Any], name: str) -> str:
    return short(recipe[name]) if name in recipe else "absent"
