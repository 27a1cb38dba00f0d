"""Recognize the format of a keypoint file by its first characters, so that errors can name the format."""

from __future__ import annotations

import os
import re
from pathlib import Path

from transferkit.errors import InvalidInputError

__all__ = ["READERS", "kind_of", "refuse_others"]

READERS = {
    "CSV": "read_keypoints_csv",
    "DeepLabCut": "read_deeplabcut",
    "COCO": "read_coco_keypoints",
    "pts": "read_pts",
    "LabelMe": "read_labelme",
    "SLEAP": "read_sleap",
    "Label Studio": "read_label_studio",
    "YOLO": "read_yolo_pose",
}

_READ = 200_000  # characters to read; the keys that distinguish JSON formats come early
_HDF5 = b"\x89HDF\r\n\x1a\n"


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """Return the format of a file or folder, a key of `READERS`, or None if it is none of them.

    Only the beginning of a file is read.
    """
    path = Path(path)
    if path.is_dir():
        return _kind_of_folder(path)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(_READ)
    if start.startswith(_HDF5):
        return "SLEAP" if path.suffix.lower() == ".slp" else "DeepLabCut"
    wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = start.decode("utf-16" if wide else "utf-8-sig", errors="replace").lstrip()
    if path.suffix.lower() in (".yaml", ".yml"):
        return "YOLO" if re.search(r"(?m)^kpt_shape\s*:", text) else None
    if text.startswith(("{", "[")):
        return _kind_of_json(text)
    if re.match(r"version\s*:\s*\d+\s*n_points\s*:", text):
        return "pts"
    if re.match(r"\"?scorer\"?[,;\t]", text):
        return "DeepLabCut"
    return "CSV" if path.suffix.lower() in (".csv", ".tsv", ".txt", ".tab") else None


def refuse_others(path: str | os.PathLike[str], own: str) -> None:
    """Raise InvalidInputError if a file has another format than the reader's own, and name its reader."""
    kind = kind_of(path)
    if kind is not None and kind != own and not (kind == "CSV" and own not in ("CSV", "DeepLabCut")):
        raise InvalidInputError(
            f"{READERS[own]} reads {own} files, but {path} is a {kind} file. "
            f"Call datasets.{READERS[kind]}, or datasets.read_keypoints for any of them."
        )


def _kind_of_folder(folder: Path) -> str | None:
    """Return the format of the files in a folder."""
    if any(next(folder.glob(pattern), None) for pattern in ("*.pts", "*/*.pts")):  # a quick search
        return "pts"
    first = next((path for path in sorted(folder.glob("*.json"))), None)
    return "LabelMe" if first is not None and kind_of(first) == "LabelMe" else None


def _kind_of_json(text: str) -> str | None:
    """Return the format of a JSON file that starts with this text."""
    keys = set(re.findall(r"\"(\w+)\"\s*:", text))
    if text.startswith("["):
        return "Label Studio" if {"annotations", "completions", "data"} & keys else None
    if "shapes" in keys and {"imagePath", "imageData", "flags"} & keys:
        return "LabelMe"
    return "COCO" if {"images", "annotations", "categories"} & keys else None
