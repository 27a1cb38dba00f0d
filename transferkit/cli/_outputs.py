"""Check that the output files of a command are distinct, and are not among its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from transferkit.foundation.arguments import check
from transferkit.images import IMAGE_SUFFIXES


def check_outputs(outputs: Mapping[str, str | Path | None], inputs: Iterable[str | None]) -> None:
    """Raise, before any work starts, if an output cannot be written or would replace an input.

    Parameters
    ----------
    outputs : mapping of str to path
        Output files by the name of their flag, such as ``"output"``; None is not written.
    inputs : iterable of path
        Input files and folders.
    """
    read = {Path(path).resolve(): path for path in inputs if path is not None}
    written: set[Path] = set()
    problems = []
    for name, given in outputs.items():
        if given is None:
            continue
        path = Path(given).resolve()
        if path.is_dir() or not path.parent.is_dir():
            problems.append(f"{name} must be a file in a folder that exists. Got {given}.")
        elif path in read or _is_image_of(path, read):
            problems.append(f"{name} must not be {given}, which this command reads. Pass another file.")
        elif path in written:
            problems.append(f"{name} must be a file of its own. Got {given}, which is another output, too.")
        written.add(path)
    check(problems)


def _is_image_of(path: Path, read: Iterable[Path]) -> bool:
    """Return True if the file exists and is an image below one of these folders."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not {*path.parents}.isdisjoint(read)
