"""An ONNX file as a network."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones.layer_choice import Feature
from transferkit.backbones.network import Tap
from transferkit.backbones.onnx_file._graph import ImageInput
from transferkit.backbones.onnx_file._normalisation import Normalisation
from transferkit.backbones.onnx_file._prepare import PIXELS, prepared_model
from transferkit.backbones.onnx_file._running import session_of
from transferkit.errors import InvalidInputError, quoted


class OnnxNetwork:
    """The graph of an ONNX file, whose features can be tapped by name.

    Parameters
    ----------
    model : onnx.ModelProto
    source : ImageInput
    features : mapping of str to Feature
    normalisation : Normalisation
    image_size : int

    Attributes
    ----------
    features : dict of str to Feature
    image_size : int
    fixed_batch : int or None
        The only number of images that the graph accepts at a time, if it is fixed.
    """

    def __init__(
        self,
        model: Any,
        source: ImageInput,
        features: Mapping[str, Feature],
        normalisation: Normalisation,
        image_size: int,
    ) -> None:
        self.features = dict(features)
        self.image_size = image_size
        self.fixed_batch = source.batch
        self._model, self._source, self._normalisation = model, source, normalisation

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        weights = (tensor.dims for tensor in self._model.graph.initializer if tensor.dims)
        return sum(prod(dims) for dims in weights)

    def sizes(self) -> dict[str, int]:
        """Return the number of values of each layer per image."""
        return {name: prod(feature.shape) for name, feature in self.features.items()}

    def layer_names(self) -> list[str]:
        """Return the tensors that look like features by their shape, then ``"last"`` and ``"summary"``."""
        return list(self.features)

    def tap(self, layers: tuple[str, ...]) -> Tap:
        """Return a function from a preprocessed batch (n, S, S, 3) to one array for each layer."""
        session = session_of(self._prepared(layers, None), n_threads=0)

        def run(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            return run_in_portions(session, batch, self.fixed_batch)

        return run

    def prepared(self, layers: tuple[str, ...]) -> Any:
        """Return an ONNX model from uint8 pixels (n, S, S, 3) to these layers, normalisation included."""
        return self._prepared(layers, self._normalisation)

    def _prepared(self, layers: tuple[str, ...], normalisation: Normalisation | None) -> Any:
        chosen = [self.features[name] for name in known_layers(layers, self.features)]
        return prepared_model(self._model, self._source, chosen, normalisation, self.image_size)

    def fingerprint(self) -> dict[str, str]:
        """Return the SHA-256 of the whole model."""
        return {"weights": hashlib.sha256(self._model.SerializeToString(deterministic=True)).hexdigest()}


def known_layers(layers: Sequence[str], features: Mapping[str, Feature]) -> Sequence[str]:
    """Return the names if all are features; else raise InvalidInputError, which lists similar ones."""
    unknown = [name for name in layers if name not in features]
    if unknown:
        near = difflib.get_close_matches(unknown[0], list(features), n=3)
        guess = f" Did you mean {quoted(near, 'or')}?" if near else ""
        raise InvalidInputError(
            f"layers must name tensors of the file that look like features. Got {quoted(unknown)}.{guess} "
            f"Call transferkit.list_layers() for all {len(features)}."
        )
    return layers


def run_in_portions(session: Any, batch: NDArray[Any], fixed: int | None) -> list[NDArray[np.float32]]:
    """Run a batch, in portions of the number of images that the graph accepts, if it is fixed."""
    if fixed is None and len(batch):
        found: list[NDArray[np.float32]] = session.run(None, {PIXELS: batch})
        return found
    size = fixed or 1
    n = len(batch)
    missing = -n % size if n else size
    padded = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)])
    blocks = [session.run(None, {PIXELS: padded[at : at + size]}) for at in range(0, len(padded), size)]
    return [np.concatenate(maps)[:n] for maps in zip(*blocks, strict=True)]
