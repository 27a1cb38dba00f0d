"""Converted graphs, stored beside the features so that a new process can run a backbone without TensorFlow.

A file has the graph as OpenVINO writes it, a table for preprocessing pixels, and the outputs of Keras for the
probe images, with which the graph is compared whenever it is read.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones import Backbone
from transferkit.cache import GraphFile
from transferkit.engines._parity import probes


@dataclass(frozen=True)
class GraphStore:
    """The store of the converted graphs of one network.

    Parameters
    ----------
    folder : Path or None
        Folder of the cache; None keeps one graph at a time in memory.
    network : str
        Digest of everything that a graph depends on except its layers, see `Verdicts`.
    """

    folder: Path | None
    network: str

    def file(self, layers: tuple[str, ...]) -> GraphFile:
        """Return the file of the graph that ends in these layers."""
        subject = json.dumps([self.network, *layers])
        return GraphFile(self.folder, hashlib.sha256(subject.encode()).hexdigest())


@dataclass(frozen=True)
class PixelTable:
    """Preprocessing as a table: the input of a network for each byte of each channel.

    Parameters
    ----------
    values : ndarray of float32, shape (3, 256)
        Value for each byte, one row per channel of the network's input.
    order : ndarray of int64, shape (3,)
        The channel of the image that each row refers to.
    """

    values: NDArray[np.float32]
    order: NDArray[np.int64]

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return exactly the same values as ``preprocess``."""
        ready = np.empty(pixels.shape, np.float32)
        for channel, (values, source) in enumerate(zip(self.values, self.order, strict=True)):
            np.take(values, pixels[..., source], out=ready[..., channel], mode="clip")
        return ready

    @classmethod
    def of(cls, backbone: Backbone, image_size: int) -> PixelTable | None:
        """Return the table of a backbone, or None if a preprocessed value depends on more than one byte."""
        black = np.zeros((1, 16, 16, 3), np.uint8)
        at_black = backbone.preprocess(black)
        values, order = np.empty((3, 256), np.float32), np.empty(3, np.int64)
        for source in range(3):
            ramp = black.copy()
            ramp[..., source] = np.arange(256).reshape(16, 16)
            answer = backbone.preprocess(ramp)
            changed = np.flatnonzero((answer != at_black).any(axis=(0, 1, 2)))
            if answer.shape != ramp.shape or len(changed) != 1:
                return None
            order[changed[0]] = source
            values[changed[0]] = answer[..., changed[0]].ravel()
        table, images = cls(values, order), probes(image_size)
        return table if np.array_equal(table(images), backbone.preprocess(images)) else None


@dataclass(frozen=True)
class PreparedGraph:
    """A converted graph with everything needed to run it.

    Parameters
    ----------
    model : openvino.Model
        Model for any batch size, with one output for each different tensor.
    table : PixelTable
        The preprocessing.
    places : list of int
        Index of the output of each layer.
    n_parameters : int
        Number of weights of the network.
    answers : list of ndarray
        Outputs of Keras for the probe images, one array per layer, up to a factor.
    """

    model: Any
    table: PixelTable
    places: list[int]
    n_parameters: int
    answers: list[NDArray[Any]] = field(repr=False)

    @classmethod
    def read(cls, file: GraphFile, core: Any) -> PreparedGraph | None:
        """Return the graph in a file, or None if there is none that can be used."""
        stored = file.read()
        if stored is None:
            return None
        try:
            model = core.read_model(stored["graph"].tobytes(), stored["weights"].tobytes())
            places = stored["places"].tolist()
            answers = [stored[f"answer_{i}"].astype(np.float32) for i in range(len(places))]
            table = PixelTable(stored["table"], stored["order"])
            return cls(model, table, places, int(stored["n_parameters"]), answers)
        except Exception:  # noqa: BLE001 - a reader of graphs may raise anything, and the graph can be made again
            file.discard()
            return None

    def write(self, file: GraphFile) -> None:
        """Store the graph."""
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            paths = Path(folder, "graph.xml"), Path(folder, "graph.bin")
            openvino.serialize(self.model, *map(str, paths))
            graph, weights = (np.frombuffer(path.read_bytes(), np.uint8) for path in paths)
        arrays: Mapping[str, NDArray[Any]] = {
            "graph": graph,
            "weights": weights,
            "table": self.table.values,
            "order": self.table.order,
            "places": np.array(self.places),
            "n_parameters": np.array(self.n_parameters),
            **{f"answer_{i}": _half(answer) for i, answer in enumerate(self.answers)},
        }
        file.write(arrays)


def _half(answer: NDArray[np.float32]) -> NDArray[Any]:
    """Return an array in half precision, scaled to its largest value; only directions are compared."""
    largest = float(np.abs(answer).max(initial=0))
    return (answer / largest if largest else answer).astype(np.float16)
