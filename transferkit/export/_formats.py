"""Formats: how a model is written, and how those run it who have only the file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import MissingDependencyError

Run = Callable[[NDArray[np.uint8]], NDArray[Any]]


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
        From an ONNX model and a path to the paths of all files that it wrote; the first one is the model.
    open : callable
        From the path of a model to a function from images (n, h, w, 3) to answers.
    add_metadata : callable
        Adds metadata to a written file, given its path; the graph stays as it is.
    """

    name: str
    package: str
    suffix: str
    write: Callable[[Any, Path], list[Path]]
    open: Callable[[Path], Run]
    add_metadata: Callable[[Path, Mapping[str, str]], None]

    def check_installed(self) -> None:
        """Raise MissingDependencyError without its package."""
        if importlib.util.find_spec(self.package) is None:
            raise MissingDependencyError(self.package, "export", f"format={self.name!r}")


def _write_onnx(model: Any, path: Path) -> list[Path]:
    path.write_bytes(model.SerializeToString())
    return [path]


def _open_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (name,) = (entry.name for entry in session.get_inputs())
    return lambda images: session.run(None, {name: images})[0]


def _add_onnx_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    import onnx

    more = onnx.ModelProto()
    onnx.helper.set_model_props(more, dict(metadata))
    with path.open("ab") as stream:  # messages one after the other are read as one: the graph is not touched
        stream.write(more.SerializeToString())


FORMATS = {
    each.name: each
    for each in (Format("onnx", "onnxruntime", ".onnx", _write_onnx, _open_onnx, _add_onnx_metadata),)
}
