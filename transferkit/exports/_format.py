"""What a format of files must be able to do."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    write : callable
        From an ONNX model and a path to the paths of all files that it wrote, the model last.
    open : callable
        From the path of a model to a function from images (n, h, w, 3), and boxes where it needs some, to
        answers, run as the page on exports tells users to.
    describe : callable
        Adds metadata to a written model; what it computes is not touched.
    notes : callable, optional
        From the path of a model and a function that tells how far another way to run it is off, to what
        users should know.
    """

    name: str
    package: str
    suffix: str
    write: Callable[[Any, Path], list[Path]]
    open: Callable[[Path], Run]
    describe: Callable[[Path, Mapping[str, str]], None]
    notes: Callable[[Path, Callable[[Run], float]], tuple[str, ...]] = lambda *_: ()

    def check_installed(self) -> None:
        """Raise MissingDependencyError without the packages that write and run it."""
        for package in dict.fromkeys(("onnx", "onnxruntime", self.package)):
            if importlib.util.find_spec(package) is None:
                extra = "openvino" if package == "openvino" else "export"
                raise MissingDependencyError(package, extra, f"export with format={self.name!r}")
