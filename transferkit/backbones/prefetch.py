"""Download the weights of a backbone to a folder, for machines without internet access."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from transferkit.backbones._download import note_of
from transferkit.backbones.registry import get_backbone
from transferkit.backbones.source import Source
from transferkit.backbones.weights import resolve_weights
from transferkit.errors import InvalidInputError


def download_weights(backbone: str, folder: str | os.PathLike[str]) -> tuple[Path, str] | None:
    """Download the weights of a backbone to a folder, and check them.

    If the environment variable ``TRANSFERKIT_WEIGHTS`` names that folder, no internet access is needed.

    Parameters
    ----------
    backbone : str
        Name in the registry.
    folder : path
        Created if it does not exist.

    Returns
    -------
    (path, digest) or None
        Path and SHA-256 of the downloaded weights; None for a backbone without weights.

    Raises
    ------
    WeightsError
        The weights cannot be downloaded, or are damaged.
    InvalidInputError
        The weights of this backbone are not a file: its constructor loads them itself.
    """
    found = get_backbone(backbone)
    weights = resolve_weights(found, "imagenet")
    if weights.kind == "fixed":
        return None
    if weights.path is None:
        raise InvalidInputError(
            f"backbone must have weights in a file. That of {found.name!r} loads them itself: call it once "
            "on the other machine, or save them with model.save_weights."
        )
    published = isinstance(found.constructor, Source) or weights.path.name == found.weights_file
    target = Path(folder).expanduser() / (weights.path.name if published else f"{found.name}.weights.h5")
    if target.resolve() != weights.path.resolve():
        _copy(weights.path, target)
    if target.is_file():
        note_of(target).write_text(f"{weights.digest}  {target.name}\n", "utf-8")
    return target, weights.digest


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder; it appears under its name when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        if source.is_dir():
            shutil.copytree(source, partial)
            shutil.rmtree(target, ignore_errors=True)
        else:
            shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        partial.unlink(missing_ok=True)
