"""The folder of a preset: where it is, its relevant files, and their digest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from transferkit.backbones.digests import digests_of
from transferkit.backbones.weights import FOLDER_VARIABLE
from transferkit.errors import MissingDependencyError, WeightsError

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
SHARDS = "model.weights.json"  # index of the files of weights above 10 GB
CONVERTER = "image_converter.json"
PREPROCESSOR = "preprocessor.json"  # contains the image converter if a preset has no file for it


def find_preset(name: str, preset: str, handle: str, licence: str) -> Path:
    """Return the folder of a preset, which KerasHub's own client downloads if it is missing.

    Raises
    ------
    WeightsError
        The preset is not on this machine and cannot be downloaded; the message says what to do.
    MissingDependencyError
        KerasHub is not installed.
    """
    if base := os.environ.get(FOLDER_VARIABLE):
        for place in (Path(base).expanduser() / name, Path(base).expanduser() / preset):
            if (place / CONFIG).is_file():
                return place
    try:
        import kagglehub
    except ImportError as error:
        raise MissingDependencyError("keras-hub", "hub", f"backbone {name!r}") from error
    try:
        with contextlib.redirect_stdout(sys.stderr):
            # It is marked as complete at the end, so that remains of a killed process are not used. If the
            # version is there already, the network is not accessed.
            return Path(kagglehub.model_download(handle))
    except Exception as error:  # its client raises many kinds
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:150]
        page = f"https://www.kaggle.com/models/{'/'.join(handle.split('/')[:2])}"
        gate = f" They are under the {licence}: log in and accept it at {page} first." if licence else ""
        raise WeightsError(
            f"The weights of {name!r} are not on this machine and could not be downloaded: {reason}.{gate} "
            f"Or put the files of KerasHub's preset {preset!r} ({CONFIG}, {WEIGHTS}, ..., from {page}) into "
            f"the folder {preset} of a folder named by {FOLDER_VARIABLE}; or pass weights=<that folder>. "
            "backbone='scattering' needs no weights at all.",
            name=name,
            path=preset,
        ) from error


def preset_files(name: str, folder: Path) -> list[Path]:
    """Return the files of a preset that can change a feature.

    Raises
    ------
    WeightsError
        The folder does not exist, or is not that of a preset.
    """
    files = [folder / CONFIG, folder / WEIGHTS]
    if not files[1].is_file() and (folder / SHARDS).is_file():
        named = read_json(name, folder / SHARDS).get("weight_map", {}).values()
        shards = {part for value in named for part in ([value] if isinstance(value, str) else value)}
        files[1:] = [folder / SHARDS, *(folder / Path(part).name for part in sorted(shards))]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) if folder.is_dir() else ""
        raise WeightsError(
            f"weights must be the folder of a KerasHub preset, with {CONFIG} and {WEIGHTS}, as "
            f"backbone.save_to_preset(folder) writes it. {str(folder)!r} lacks {', '.join(missing)}"
            f"{f', and has {there}' if there else ''}.",
            name=name,
            path=str(folder),
        )
    # Either may contain the scale of pixels; the second also has settings for text.
    extras = [folder / CONVERTER, folder / PREPROCESSOR]
    return files + [path for path in extras if path.is_file()][:1]


def preset_digest(name: str, folder: Path) -> str:
    """Return the SHA-256 over names and contents of the files that can change a feature."""
    digest = hashlib.sha256()
    for path in preset_files(name, folder):
        digest.update(f"{path.name}\0{digests_of(path)[0]}\n".encode())
    return digest.hexdigest()


def weights_file(folder: Path) -> Path:
    """Return the file that Keras loads the weights from."""
    return folder / (WEIGHTS if (folder / WEIGHTS).is_file() else SHARDS)


def converter_config(name: str, folder: Path) -> dict[str, Any] | None:
    """Return the parameters of the preset's image converter, or None if it has none."""
    if (path := folder / CONVERTER).is_file():
        found = read_json(name, path)
    elif (path := folder / PREPROCESSOR).is_file():
        found = read_json(name, path).get("config", {}).get("image_converter")
    else:
        return None
    config = found.get("config") if isinstance(found, dict) else None
    return config if isinstance(config, dict) else None


def read_json(name: str, path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; raise WeightsError if there is none."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}", name=name, path=str(path)) from error
    if not isinstance(document, dict):
        raise WeightsError(f"{path} holds no JSON object.", name=name, path=str(path))
    return document
