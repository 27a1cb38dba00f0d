"""An ONNX file as the constructor of a backbone."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.backbones.digests import digests_of
from transferkit.backbones.layer_choice import Feature, recommended
from transferkit.backbones.onnx_file._features import find_features
from transferkit.backbones.onnx_file._graph import ImageInput, external_files, image_input, parsed, read_model
from transferkit.backbones.onnx_file._layouts import find_layouts
from transferkit.backbones.onnx_file._network import OnnxNetwork
from transferkit.backbones.onnx_file._normalisation import Normalisation
from transferkit.backbones.onnx_file._places import misplaced
from transferkit.backbones.onnx_file._shapes import tensor_shapes
from transferkit.backbones.source import Source, Weights
from transferkit.errors import InvalidInputError, WeightsError
from transferkit.foundation.arguments import is_path


@dataclass(frozen=True)
class OnnxFile(Source):
    """A network in an ONNX file; made by :meth:`Backbone.from_onnx`.

    Parameters
    ----------
    path : str
    normalisation : Normalisation
    layout : {"NCHW", "NHWC"} or None
    n_prefix : int or None
    """

    path: str
    normalisation: Normalisation
    layout: str | None = None
    n_prefix: int | None = None

    def __call__(self, *, input_shape: tuple[int, int, int], **ignored: Any) -> OnnxNetwork:
        """Return the network for images of a size."""
        return self.build("", self.resolve("", "imagenet"), input_shape[0])

    @property
    def takes_random_weights(self) -> bool:
        """Whether ``weights=None`` is allowed: it is not."""
        return False

    @property
    def preprocess_input(self) -> Normalisation:
        """The normalisation, which is part of the graph that is run."""
        return self.normalisation

    def resolve(self, name: str, weights: Any) -> Weights:
        """Return the file and the digest of all of its parts; ``weights`` may be the path of a copy."""
        if weights is None:
            raise InvalidInputError(
                f"weights must be left out for backbone {name!r}, whose weights are in its ONNX file, or be "
                "the path of a copy of it. Got None."
            )
        assert is_path(weights)
        path = Path(self.path if weights == "imagenet" else weights).expanduser()
        return Weights("file", path, digest_of(path))

    def build(self, name: str, weights: Weights, image_size: int) -> OnnxNetwork:
        """Return the network."""
        assert weights.path is not None
        model = read_model(weights.path)
        source = image_input(model, self.layout, weights.path)
        if source.size not in (None, image_size):
            raise InvalidInputError(
                f"image_size must be {source.size} for {weights.path.name}, whose input has that size. "
                f"Got {image_size}."
            )
        features = self.features(weights.path, image_size)
        weights.check_unchanged(name, digest_of(weights.path))
        return OnnxNetwork(model, source, features, self.normalisation, image_size)

    def features(self, path: Path, image_size: int) -> Mapping[str, Feature]:
        """Return all features by name."""
        return _features(path, digest_of(path), self.layout, self.n_prefix, image_size)[0]

    def facts(self) -> dict[str, str]:
        """Return all else that can change a feature."""
        return {"normalisation": repr(self.normalisation), "layout": f"{self.layout}, {self.n_prefix}"}


def described(source: OnnxFile, image_size: int) -> tuple[ImageInput, Mapping[str, Feature], tuple[str, ...]]:
    """Return the input of a file, its features, and the recommended layers."""
    path = Path(source.path).expanduser()
    entry = image_input(parsed(path), source.layout, path)
    features, layers = _features(
        path, digest_of(path), source.layout, source.n_prefix, entry.size or image_size
    )
    return entry, features, layers


@functools.lru_cache(maxsize=16)
def _features(
    path: Path, digest: str, layout: str | None, n_prefix: int | None, image_size: int
) -> tuple[Mapping[str, Feature], tuple[str, ...]]:
    """Return features and recommended layers; cached, since every fit needs them."""
    model = parsed(path)
    source = image_input(model, layout, path)
    shapes = tensor_shapes(model, source, image_size, path)
    nodes = model.graph.node
    layouts = find_layouts(nodes, shapes, source.name, source.layout)
    features = find_features(shapes, layouts, nodes, image_size, n_prefix)
    if any(feature.kind == "tokens" for feature in features.values()):
        wrong = misplaced(read_model(path), source, features, image_size)
        if wrong:
            features = find_features(shapes, layouts, nodes, image_size, n_prefix, not_tokens=wrong)
    made_by = {name: node.op_type for node in nodes for name in node.output}
    Weights("file", path, digest).check_unchanged(path.stem, digest_of(path))  # before the result is cached
    return features, recommended(features, made_by)


def files_of(path: Path) -> list[Path]:
    """Return an ONNX file and the weights files beside it."""
    return [path, *_beside(path, digests_of(path)[0])]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of an ONNX file, including weights files beside it."""
    if not path.is_file():
        parsed(path)  # raises the error
    own = digests_of(path)[0]
    beside = _beside(path, own)
    if not beside:
        return own
    missing = [file for file in beside if not file.is_file()]
    if missing:
        raise WeightsError(
            f"{path.name} has weights in {missing[0].name}, which is not beside it. Copy both.",
            name=path.stem,
            path=str(missing[0]),
        )
    digests = [own, *(f"{file.name} {digests_of(file)[0]}" for file in beside)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _beside(path: Path, digest: str) -> list[Path]:
    """Return the weights files beside a file with this digest."""
    return external_files(parsed(path), path)
