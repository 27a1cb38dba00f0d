"""``KeypointMapHead``: a network that finds a rough shape, then corrects it by features at its points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_count, is_number, is_seed
from transferkit.heads._base import Maps, TrainingData, Validation, is_fraction
from transferkit.heads._keras import KerasWeights, Scale, read_tensors
from transferkit.heads._keypoint_forward import forward
from transferkit.heads._keypoint_gradient import Network, mean_distances
from transferkit.heads._keypoint_maps import held_maps, in_half, inputs_of, round_to_half, some_rows
from transferkit.heads._keypoint_network import FARTHEST as FARTHEST
from transferkit.heads._keypoint_network import OUTSIDE as OUTSIDE
from transferkit.heads._keypoint_network import SLOPE, build_network, weight_shapes
from transferkit.heads._keypoint_network import ZOOM as ZOOM
from transferkit.heads._keypoint_training import Schedule, train
from transferkit.heads._training import check_converged, learn_scale
from transferkit.heads.cascade import finest_map

# Batches, and limits of epochs, where ``epochs`` is None. 4,000 batches lowered errors by 1 %, 100 epochs of
# 500 images by less.
_BATCHES, _FEWEST, _MOST = 1500, 5, 40
_PREDICT_BATCH = 128
_LEAKY = "leaky_relu"


@dataclass(frozen=True, kw_only=True)
class KeypointMapHead:
    """A small network that finds a shape on coarse maps and corrects it several times on the finest one.

    Each correction reads the finest map *at the points found so far* and moves all points jointly. All steps
    are trained together; the loss is the mean distance between predicted and true points. TensorFlow is
    needed neither for training nor for prediction.

    Parameters
    ----------
    steps : int, default=3
        Number of corrections.
    channels : int, default=32
        Number of values that each correction computes from the channels of the map at a point.
    hidden : int, default=256
        Number of units of the hidden layer of each step.
    epochs : int, optional
        Number of epochs; by default as many as give 1,500 batches, but at least 5 and at most 40.
    batch_size : int, default=64
        Number of rows in a training step.
    learning_rate : float, default=1e-3
        Highest learning rate, reached after a twentieth of the training; it then decays to 0 as a cosine.
    validation_fraction : float, default=0.1
        Fraction of the images to hold out for the validation error in the history, in [0, 1).

    Notes
    -----
    This is a network form of the supervised descent method [1]_.

    References
    ----------
    .. [1] X. Xiong and F. De la Torre, "Supervised Descent Method and its Applications to Face
       Alignment", CVPR 2013.

    Examples
    --------
    >>> from transferkit.heads import KeypointMapHead
    >>> KeypointMapHead(steps=2).steps
    2
    """

    steps: int = 3
    channels: int = 32
    hidden: int = 256
    epochs: int | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    validation_fraction: float = 0.1

    kinds: ClassVar[frozenset[str]] = frozenset({"points"})
    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = True
    averages_views: ClassVar[bool] = False
    half: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    refinement: ClassVar[str | None] = "network"

    def __post_init__(self) -> None:
        """Check the fields; all problems are reported together."""
        problems = [
            f"{name} must be a positive integer. Got {getattr(self, name)!r}."
            for name in ("steps", "channels", "hidden", "batch_size")
            if not is_count(getattr(self, name))
        ]
        if self.epochs is not None and not is_count(self.epochs):
            problems.append(f"epochs must be a positive integer, or None. Got {self.epochs!r}.")
        if not is_number(self.learning_rate, above=0):
            problems.append(f"learning_rate must be positive. Got {self.learning_rate!r}.")
        if not is_fraction(self.validation_fraction):
            problems.append(f"validation_fraction must be in [0, 1). Got {self.validation_fraction!r}.")
        if problems:
            raise InvalidInputError(*problems)

    def fit(self, data: TrainingData) -> FittedKeypointMap:
        """Return the fitted head; targets (n, 2 k) are x0, y0, ... as fractions of the square.

        Raises
        ------
        InvalidInputError
            The task is not keypoints, features have no map, targets are not fractions of the square, or
            training diverges.
        """
        finest = finest_map(data.maps)
        if data.task.kind not in self.kinds or data.maps[finest].ndim != 4:
            raise InvalidInputError(
                "KeypointMapHead finds points on maps (n, height, width, channels). Got a task of kind "
                f"{data.task.kind!r} and features of shape {data.maps[finest].shape}. "
                "Choose 'linear' or 'mlp'."
            )
        middle = float(np.nanmedian(data.targets))
        if not -1 < middle < 2:
            raise InvalidInputError(
                "targets of KeypointMapHead must be fractions of the map, 0 at its left and upper edge and 1 "
                f"at the others. Got values about {middle:.4g}. Divide pixels by the width and height of the "
                "image, or choose 'linear'."
            )
        maps = held_maps(data.maps)
        fitted = FittedKeypointMap(
            self,
            [tuple(array.shape[1:]) for array in maps],
            np.nanmean(data.targets, axis=0),
            [learn_scale(some_rows(array), "standard") for array in maps],
            seed=data.random_state,
            dtype="float16" if all(array.dtype == np.float16 for array in maps) else "float32",
            slope=SLOPE,
        )
        n_batches = -(-len(data.targets) // self.batch_size)
        epochs = self.epochs or min(max(-(-_BATCHES // n_batches), _FEWEST), _MOST)
        shapes = weight_shapes(self, fitted.shapes, fitted.n_outputs)
        network = Network(shapes, fitted.mean, fitted.scales, len(maps) - 1, self.steps)
        fitted.weights = network.weights  # trained in place
        held = data.validation
        fitted.history = train(
            network,
            maps,
            data.targets,
            data.sample_weight,
            Schedule(epochs, self.batch_size, self.learning_rate),
            data.random_state,
            None if held is None else partial(fitted.loss, held),
            progress=data.progress,
        )
        check_converged(self, fitted.weights)
        fitted.weights = round_to_half(fitted.weights)
        return fitted

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedKeypointMap:
        """Rebuild a saved fitted head; raise ValueError if the arrays do not fit together."""
        more = set(facts) - {"shapes", "seed", "dtype"}  # none in heads of earlier versions, which use ReLU
        if len(facts) != 3 + len(more) or more not in (set(), {"activation", "slope"}):
            raise ValueError(f"facts of a keypoint head {facts!r}")
        if not isinstance(facts["shapes"], list) or facts.get("activation", _LEAKY) != _LEAKY:
            raise ValueError(f"facts of a keypoint head {facts!r}")
        shapes, seed = [tuple(shape) for shape in facts["shapes"]], facts["seed"]
        slope = facts.get("slope", 0.0)
        if (
            not 1 < len(shapes) < 100
            or not all(len(shape) == 3 and all(map(is_count, shape)) for shape in shapes)
            or max(height for height, _, _ in shapes) > shapes[0][0]
            or type(seed) is not int
            or not is_seed(seed)
            or facts["dtype"] not in ("float16", "float32")
            or type(slope) is not float
            or not 0 <= slope <= 1
        ):
            raise ValueError(f"facts of a keypoint head {facts!r}")
        single = {
            name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in tensors.items()
        }
        weights, scales = read_tensors(single, shapes, "rough")
        mean = tensors["rough"]
        if (
            len(weights) != 2 * len(shapes) + 2 + 6 * self.steps
            or [array.shape for array in weights] != weight_shapes(self, shapes, len(mean))
            or len(mean) % 2
        ):
            raise ValueError(f"weights do not fit {self} with inputs {shapes} and {len(mean)} outputs")
        return FittedKeypointMap(
            self, shapes, mean, scales, weights, seed=seed, dtype=facts["dtype"], slope=slope
        )


@dataclass
class FittedKeypointMap(KerasWeights):
    """Weights of the network; the Keras model is built from them on first use.

    ``mean`` is the mean shape. ``shapes`` and ``scales`` are those of the inputs: the finest map and the
    coarse ones. ``slope`` is the factor of negative values in hidden layers: 0 in heads of older versions.
    """

    head: KeypointMapHead
    shapes: Sequence[tuple[int, ...]]
    mean: NDArray[np.float64]
    scales: list[Scale]
    weights: list[NDArray[np.float32]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    seed: int = 0
    dtype: str = "float32"
    slope: float = 0.0
    _model: Any = field(default=None, repr=False)

    n_inputs: ClassVar[None] = None  # coarse maps are averaged first
    target_scale: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def n_outputs(self) -> int:
        """Number of coordinates."""
        return len(self.mean)

    def scale(self, maps: Maps) -> list[NDArray[Any]]:
        """Return maps unchanged, since the network only scales the few values that it reads."""
        return list(maps)

    def _build(self) -> Any:
        """Return the untrained model."""
        return build_network(
            self.head, self.shapes, self.mean, self.scales, self.seed, self.dtype, self.slope
        )

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return points (n, 2 k) as fractions of the square.

        Raises
        ------
        InvalidInputError
            Maps have other shapes than in training.
        """
        found = [array.shape[1:] for array in inputs_of([array[:1] for array in maps])]
        if found != list(self.shapes):
            raise InvalidInputError(f"The head was trained on maps of {list(self.shapes)}. Got {found}.")
        outputs = np.empty((len(maps[0]), self.n_outputs))
        for rows, shapes in self._shapes_of(maps):
            outputs[rows] = shapes[-1]
        return outputs

    def loss(self, held: Validation) -> float:
        """Return the mean distance of points over all steps, for held-out rows that have a point."""
        losses = np.empty(len(held.targets))
        for rows, shapes in self._shapes_of(held.maps):
            losses[rows] = np.mean([mean_distances(held.targets[rows], shape) for shape in shapes], axis=0)
        seen = np.isfinite(held.targets).any(axis=1)
        if not seen.any():
            return math.nan
        weight = np.ones(len(losses)) if held.sample_weight is None else held.sample_weight
        weight = weight * seen
        return float(np.average(losses, weights=weight if weight.any() else seen))

    def _shapes_of(self, maps: Maps) -> Iterator[tuple[slice, list[NDArray[np.float32]]]]:
        """Yield slices of rows with the shapes of all steps."""
        for start in range(0, len(maps[0]), _PREDICT_BATCH):
            rows = slice(start, start + _PREDICT_BATCH)
            inputs = [_as_type(array, self.dtype) for array in inputs_of([array[rows] for array in maps])]
            yield rows, forward(inputs, self.mean, self.scales, self.weights, self.head.steps, self.slope)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        weights = {f"weight.{i}": in_half(weight) for i, weight in enumerate(self.weights)}
        return super().tensors() | weights | {"rough": self.mean}

    def facts(self) -> dict[str, Any]:
        """Return everything else to save."""
        facts = {"shapes": [list(shape) for shape in self.shapes], "seed": self.seed, "dtype": self.dtype}
        # Earlier versions can read heads with ReLU. Two facts, so that one that is lost is noticed.
        return facts | ({"activation": _LEAKY, "slope": self.slope} if self.slope else {})


def _as_type(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return an array of this dtype; values are clipped to its range, so that none becomes infinite."""
    limit = float(np.finfo(dtype).max)
    return np.asarray(array if np.can_cast(array.dtype, dtype) else np.clip(array, -limit, limit), dtype)
