"""The interface of export formats."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import MissingDependencyError

Run = Callable[..., NDArray[Any]]


@dataclass(frozen=True)
class Format:
    """An export format.

    Parameters
    ----------
    name : str
    package : str
        Package that runs the file.
    suffix : str
        Suffix of the file.
    build : callable
        Maps a predictor, and whether the model may have an "If" node, to a model in memory.
    write : callable
        Writes this model to a path, and returns the paths of all files, the model last.
    open : callable
        Maps the path of a model to a function from images (n, h, w, 3), and boxes if needed, to predictions;
        it runs the model as the documentation on exports tells users to.
    describe : callable
        Adds metadata to a written model, without changing what it computes.
    notes : callable, optional
        Maps the path of a model, and a function that returns the difference of another way to run it, to
        notes for users.
    given : callable
        Maps a predictor and the pixels of images to the pixels to pass to the file.
    others : tuple of str
        Suffixes of other files that are written beside the file.
    extras : mapping of str to str
        Packages that write and run the file, and the extra that installs each.
    """

    name: str
    package: str
    suffix: str
    build: Callable[[Any, bool], Any]
    write: Callable[[Any, Path], list[Path]]
    open: Callable[[Path], Run]
    describe: Callable[[Path, Mapping[str, str]], None]
    notes: Callable[[Path, Callable[[Run], float]], tuple[str, ...]] = lambda *_: ()
    given: Callable[[Any, list[NDArray[np.uint8]]], list[NDArray[np.uint8]]] = lambda _, images: images
    others: tuple[str, ...] = ()
    extras: Mapping[str, str] = field(default_factory=lambda: {"onnx": "export", "onnxruntime": "export"})

    def check_installed(self) -> None:
        """Raise MissingDependencyError without the packages that write and run it."""
        for package, extra in self.extras.items():
            if importlib.util.find_spec(package) is None:
                raise MissingDependencyError(package, extra, f"export with format={self.name!r}")
