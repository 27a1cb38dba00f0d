"""What a format of files must be able to do."""

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
    """A format of files.

    Parameters
    ----------
    name : str
    package : str
        What runs it.
    suffix : str
        Of the file.
    build : callable
        From a predictor, and whether the model may have an "If", to a model in memory.
    write : callable
        From that model and a path to the paths of all files that it wrote, the model last.
    open : callable
        From the path of a model to a function from images (n, h, w, 3), and boxes where it needs some, to
        answers, run as the page on exports tells users to.
    describe : callable
        Adds metadata to a written model; what it computes is not touched.
    notes : callable, optional
        From the path of a model and a function that tells how far another way to run it is off, to what
        users should know.
    given : callable
        From a predictor and the pixels of images to the pixels that a file is given for them.
    others : tuple of str
        Suffixes of what is written beside the file.
    extras : mapping of str to str
        The packages that write and run it, and the extra that installs each.
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
