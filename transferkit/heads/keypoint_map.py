"""The head of keypoints on fine maps: a rough shape first, then corrections from what lies at its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_count, is_number, is_seed
from transferkit.foundation.forks import enter_network
from transferkit.heads._base import Maps, TrainingData, check_arrays
from transferkit.heads._keypoint_network import build_network, distance_loss, weight_shapes
from transferkit.heads._training import learn_scale, make_batches, make_recorder
from transferkit.heads.cascade import coarse_maps, finest_map

# Of training where ``epochs`` is None; 4,000 batches lowered errors by 1 %, 100 epochs of 500 images by less.
_BATCHES, _FEWEST, _MOST = 1500, 5, 40
_PREDICT_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class KeypointMapHead:
    """A small network that reads a shape from coarse maps and corrects it on the finest, a few times.

    Each correction reads the finest map *at the points found so far*, whatever they are, and moves all points
    together. All are trained at once, on the mean distance of points. Needs TensorFlow.

    Parameters
    ----------
    steps : int, default=3
        Corrections.
    channels : int, default=32
        Values that each correction makes of the map's channels at a point.
    hidden : int, default=256
        Units between all that was read and the shape.
    epochs : int, optional
        Times that training goes through all rows; by default as many as make 1,500 batches, but 5 to 40.
    batch_size : int, default=64
    learning_rate : float, default=1e-3
        At its highest, after a twentieth of the training; from there it falls to 0 as a cosine.

    Notes
    -----
    A learned form of the supervised descent method [1]_: what a step reads depends on the shape before it.

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

    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = True
    averages_views: ClassVar[bool] = False
    half: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Report all fields that cannot be used."""
        problems = [
            f"{name} must be a positive integer. Got {getattr(self, name)!r}."
            for name in ("steps", "channels", "hidden", "batch_size")
            if not is_count(getattr(self, name))
        ]
        if self.epochs is not None and not is_count(self.epochs):
            problems.append(f"epochs must be a positive integer, or None. Got {self.epochs!r}.")
        if not is_number(self.learning_rate, above=0):
            problems.append(f"learning_rate must be positive. Got {self.learning_rate!r}.")
        if problems:
            raise InvalidInputError(*problems)

    def fit(self, data: TrainingData) -> FittedKeypointMap:
        """Return the fitted head; targets (n, 2 k) are x0, y0, ... as fractions of the square.

        Raises
        ------
        InvalidInputError
            Classes, no map to read from, or targets that are no fractions of it.
        """
        finest = finest_map(data.maps)
        if data.n_classes is not None or data.n_outputs % 2 or data.maps[finest].ndim != 4:
            raise InvalidInputError(
                "KeypointMapHead finds points on maps (n, height, width, channels). Got "
                f"{'classes' if data.n_classes is not None else f'{data.n_outputs} values'} and features "
                f"of shape {data.maps[finest].shape}. Choose 'linear' or 'mlp'."
            )
        middle = float(np.nanmedian(data.targets))
        if not -1 < middle < 2:
            raise InvalidInputError(
                "targets of KeypointMapHead must be fractions of the map, 0 at its left and upper edge and 1 "
                f"at the others. Got values about {middle:.4g}. Divide pixels by the picture's width and "
                "height, or choose 'linear'."
            )
        enter_network()
        import keras

        maps = _inputs(data.maps)
        fitted = FittedKeypointMap(
            self,
            [tuple(array.shape[1:]) for array in maps],
            np.nanmean(data.targets, axis=0),
            [learn_scale(array, "standard") for array in maps],
            seed=data.random_state,
            dtype="float16" if all(array.dtype == np.float16 for array in maps) else "float32",
        )
        n_batches = -(-len(data.targets) // self.batch_size)
        epochs = self.epochs or min(max(-(-_BATCHES // n_batches), _FEWEST), _MOST)
        model = fitted.model()
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            epochs * n_batches - epochs * n_batches // 20,
            warmup_target=self.learning_rate,
            warmup_steps=epochs * n_batches // 20,
        )
        model.compile(
            optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01), loss=distance_loss, jit_compile=False
        )
        validation = None
        if data.validation is not None:
            held, truth = data.validation
            held = _inputs(held)
            validation = make_batches(fitted, held, truth, np.ones(len(truth)), _PREDICT_BATCH, None)
        model.fit(
            make_batches(fitted, maps, data.targets, data.sample_weight, self.batch_size, data.random_state),
            validation_data=validation,
            epochs=epochs,
            callbacks=[recorder := make_recorder(epochs, data.progress)],
            shuffle=False,
            verbose=0,
        )
        fitted.weights = [np.asarray(weight) for weight in model.get_weights()]
        fitted.history = recorder.rows
        return fitted

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedKeypointMap:
        """Return the fitted head that was saved; ValueError where arrays do not belong together."""
        if set(facts) != {"shapes", "seed", "dtype"} or not isinstance(facts["shapes"], list):
            raise ValueError(f"facts of a keypoint head {facts!r}")
        shapes, seed = [tuple(shape) for shape in facts["shapes"]], facts["seed"]
        if (
            not 1 < len(shapes) < 100
            or not all(len(shape) == 3 and all(map(is_count, shape)) for shape in shapes)
            or max(height for height, _, _ in shapes) > shapes[0][0]
            or type(seed) is not int
            or not is_seed(seed)
            or facts["dtype"] not in ("float16", "float32")
        ):
            raise ValueError(f"facts of a keypoint head {facts!r}")
        names = [f"weight.{i}" for i in range(sum(name.startswith("weight.") for name in tensors))]
        scales = [f"{kind}.{i}" for i in range(len(shapes)) for kind in ("shift", "gain")]
        expected: dict[str, tuple[str, int | None]] = dict.fromkeys(names, ("f4", None))
        check_arrays(tensors, expected | dict.fromkeys(scales, ("f4", 1)) | {"rough": ("f8", 1)})
        mean = tensors["rough"]
        if (
            len(names) != 2 * len(shapes) + 2 + 6 * self.steps
            or [tensors[name].shape for name in names] != weight_shapes(self, shapes, len(mean))
            or [len(tensors[name]) for name in scales] != [s[-1] for s in shapes for _ in range(2)]
            or len(mean) % 2
        ):
            raise ValueError(f"weights that are not those of {self} for {shapes} and {len(mean)} values")
        return FittedKeypointMap(
            self,
            shapes,
            mean,
            [(tensors[f"shift.{i}"], tensors[f"gain.{i}"]) for i in range(len(shapes))],
            [tensors[name] for name in names],
            seed=seed,
            dtype=facts["dtype"],
        )


@dataclass
class FittedKeypointMap:
    """Weights of the network; the Keras model is made from them on first use.

    ``shapes`` and ``scales`` are those of its inputs: the finest map and the coarse ones.
    """

    head: KeypointMapHead
    shapes: Sequence[tuple[int, ...]]
    mean: NDArray[np.float64]
    scales: list[tuple[NDArray[np.float32], NDArray[np.float32]]]
    weights: list[NDArray[np.float32]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    seed: int = 0
    dtype: str = "float32"
    _model: Any = field(default=None, repr=False)

    # What batches of a regression are made from: points stay fractions of the square.
    regression: ClassVar[bool] = True
    target_scale: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def n_outputs(self) -> int:
        """Number of coordinates."""
        return len(self.mean)

    def scale(self, maps: Maps) -> list[NDArray[Any]]:
        """Return maps as they are: the network scales what it reads of them, which is less."""
        return list(maps)

    def model(self) -> Any:
        """Return the Keras model."""
        if self._model is None:
            self._model = build_network(self.head, self.shapes, self.mean, self.scales, self.seed, self.dtype)
            if self.weights:
                self._model.set_weights(self.weights)
        return self._model

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return points (n, 2 k) as fractions of the square.

        Raises
        ------
        InvalidInputError
            Maps of another shape than those of the training.
        """
        enter_network()
        import keras

        found = [array.shape[1:] for array in _inputs([array[:1] for array in maps])]
        if found != list(self.shapes):
            raise InvalidInputError(f"The head learned from maps of {list(self.shapes)}. Got {found}.")
        model = self.model()
        outputs = np.empty((len(maps[0]), self.n_outputs))
        for start in range(0, len(outputs), _PREDICT_BATCH):
            block = [array[start : start + _PREDICT_BATCH] for array in maps]
            inputs = [_as_type(array, self.dtype) for array in _inputs(block)]
            shapes = keras.ops.convert_to_numpy(model(inputs, training=False))
            outputs[start : start + _PREDICT_BATCH] = shapes[:, -1]
        return outputs

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        tensors: dict[str, NDArray[Any]] = {f"weight.{i}": array for i, array in enumerate(self.weights)}
        for i, (shift, gain) in enumerate(self.scales):
            tensors |= {f"shift.{i}": shift, f"gain.{i}": gain}
        return tensors | {"rough": self.mean}

    def facts(self) -> dict[str, Any]:
        """Return what else to save."""
        return {
            "shapes": [list(shape) for shape in self.shapes],
            "seed": self.seed,
            "dtype": self.dtype,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Leave the Keras model behind when pickled; it is made again from the weights."""
        return self.__dict__ | {"_model": None}


def _inputs(maps: Maps) -> list[NDArray[Any]]:
    """Return the finest map and the coarse ones; a layer without a map is one of a single cell."""
    coarse = [array if array.ndim == 4 else array[:, None, None] for array in coarse_maps(maps)]
    return [maps[finest_map(maps)], *coarse]


def _as_type(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return an array of this type; what it cannot hold becomes its largest number, no infinity."""
    limit = float(np.finfo(dtype).max)
    return np.asarray(array if array.dtype == dtype else np.clip(array, -limit, limit), dtype)
