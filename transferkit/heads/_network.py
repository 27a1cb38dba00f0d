"""Heads that are small Keras networks: one training loop for all of them."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.heads._base import Maps, TrainingData, check_arrays, is_count, is_number

_PREDICT_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class NetworkHead:
    """What all network heads share: how they are trained, saved and rebuilt.

    A subclass adds its own fields and ``build``.
    """

    hidden: int = 512
    dropout: float = 0.5
    output_activation: str = "linear"
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    patience: int | None = 5
    scaling: str = "standard"

    layers: ClassVar[str] = "last"
    grid: ClassVar[int | None] = None
    uses_validation: ClassVar[bool] = True
    averages_views: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Report all fields that cannot be used."""
        if problems := self._problems():
            raise InvalidInputError(*problems)

    def _problems(self) -> list[str]:
        """Return what is wrong with the fields; a subclass adds its own."""
        problems = [
            f"{name} must be a positive integer. Got {getattr(self, name)!r}."
            for name in ("hidden", "epochs", "batch_size")
            if not is_count(getattr(self, name))
        ]
        if not (self.dropout == 0 or is_number(self.dropout, above=0)) or self.dropout >= 1:
            problems.append(f"dropout must be in [0, 1). Got {self.dropout!r}.")
        if not is_number(self.learning_rate, above=0):
            problems.append(f"learning_rate must be positive. Got {self.learning_rate!r}.")
        if self.patience is not None and self.patience != 0 and not is_count(self.patience):
            problems.append(f"patience must be a number of epochs, or None. Got {self.patience!r}.")
        if self.output_activation not in ("linear", "sigmoid"):
            problems.append(
                f"output_activation must be 'linear' or 'sigmoid'. Got {self.output_activation!r}."
            )
        if self.scaling not in ("standard", "max", "none"):
            problems.append(f"scaling must be 'standard', 'max' or 'none'. Got {self.scaling!r}.")
        return problems

    def build(
        self, shapes: Sequence[tuple[int, ...]], n_outputs: int, *, seed: int = 0, regression: bool = False
    ) -> Any:
        """Return the untrained ``keras.Model`` for features of these shapes, one per layer."""
        raise NotImplementedError

    def fit(self, data: TrainingData) -> FittedNetwork:
        """Return the fitted head; see :class:`TrainingData`.

        Classes learn by cross-entropy on logits, values by the mean absolute error of those present.
        """
        import keras

        fitted = FittedNetwork(
            self,
            [tuple(array.shape[1:]) for array in data.maps],
            data.n_outputs,
            data.n_classes is None,
            [_learn_scale(array, self.scaling) for array in data.maps],
            _learn_target_scale(data, bounded=self.output_activation == "sigmoid"),
            seed=data.random_state,
        )
        model = fitted.model()
        model.compile(
            optimizer=keras.optimizers.Adam(self.learning_rate),
            loss=_loss(data.n_classes),
            weighted_metrics=_metrics(data.n_classes),
            jit_compile=False,
        )
        batches = _batches(
            fitted, data.maps, data.targets, data.sample_weight, self.batch_size, data.random_state
        )
        validation = None
        callbacks = [recorder := _recorder(self.epochs, data.progress)]
        if data.validation is not None:
            maps, held = data.validation
            validation = _batches(fitted, maps, held, np.ones(len(held)), _PREDICT_BATCH, None)
            if self.patience is not None:
                callbacks.append(
                    keras.callbacks.EarlyStopping(
                        "val_loss", patience=self.patience, restore_best_weights=True
                    )
                )
        model.fit(
            batches,
            validation_data=validation,
            epochs=self.epochs,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
        fitted.weights = [np.asarray(weight) for weight in model.get_weights()]
        fitted.history = recorder.rows
        return fitted

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedNetwork:
        """Return the fitted head that was saved; ValueError where arrays do not belong together."""
        _check_facts(facts)
        shapes, n_outputs = [tuple(shape) for shape in facts["shapes"]], facts["n_outputs"]
        names = [f"weight.{i}" for i in range(sum(name.startswith("weight.") for name in tensors))]
        scales = [f"{kind}.{i}" for i in range(len(shapes)) for kind in ("shift", "gain")]
        expected: dict[str, tuple[str, int | None]] = dict.fromkeys(names, ("f4", None))
        expected |= dict.fromkeys(scales, ("f4", 1))
        check_arrays(tensors, expected | {"target_shift": ("f8", 1)})
        # The network is built from these numbers on first use: the file must hold weights to match.
        found = [tensors[name].shape for name in names]
        channels = [len(tensors[name]) for name in scales]
        if (
            found != self.weight_shapes(shapes, n_outputs)
            or channels != [shape[-1] for shape in shapes for _ in range(2)]
            or len(tensors["target_shift"]) not in (1, n_outputs)
        ):
            raise ValueError(f"weights {found} are not those of {self} for {shapes} and {n_outputs} outputs")
        return FittedNetwork(
            self,
            shapes,
            n_outputs,
            facts["regression"],
            [(tensors[f"shift.{i}"], tensors[f"gain.{i}"]) for i in range(len(shapes))],
            (tensors["target_shift"], float(facts["target_gain"])),
            [tensors[name] for name in names],
            seed=facts["seed"],
        )

    def weight_shapes(self, shapes: Sequence[tuple[int, ...]], n_outputs: int) -> list[tuple[int, ...]]:
        """Return the shapes of the network's weights, in order, without building it."""
        raise NotImplementedError


@dataclass
class FittedNetwork:
    """Weights of a network head; the Keras model is made from them on first use."""

    head: NetworkHead
    shapes: Sequence[tuple[int, ...]]
    n_outputs: int
    regression: bool
    scales: list[tuple[NDArray[np.float32], NDArray[np.float32]]]
    target_scale: tuple[NDArray[np.float64], float]
    weights: list[NDArray[np.float32]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    seed: int = 0
    _model: Any = field(default=None, repr=False)

    def model(self) -> Any:
        """Return the Keras model."""
        if self._model is None:
            # Keras seeds its initialisers from Python's generator: fix it, and give it back as it was.
            state = random.getstate()
            random.seed(self.seed)
            try:
                self._model = self.head.build(
                    self.shapes, self.n_outputs, seed=self.seed, regression=self.regression
                )
            finally:
                random.setstate(state)
            if self.weights:
                self._model.set_weights(self.weights)
        return self._model

    def scale(self, maps: Maps) -> list[NDArray[np.float32]]:
        """Return features as the network sees them."""
        return [
            (np.asarray(array, dtype=np.float32) - shift) * gain
            for array, (shift, gain) in zip(maps, self.scales, strict=True)
        ]

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return logits or values, (n, k)."""
        import keras

        model = self.model()
        parts = []
        for start in range(0, len(maps[0]), _PREDICT_BATCH):
            block = self.scale([array[start : start + _PREDICT_BATCH] for array in maps])
            output = model(block if len(block) > 1 else block[0], training=False)
            parts.append(np.asarray(keras.ops.convert_to_numpy(output), dtype=np.float64))
        outputs = np.concatenate(parts) if parts else np.empty((0, self.n_outputs))
        return outputs * self.target_scale[1] + self.target_scale[0]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        tensors: dict[str, NDArray[Any]] = {f"weight.{i}": array for i, array in enumerate(self.weights)}
        for i, (shift, gain) in enumerate(self.scales):
            tensors |= {f"shift.{i}": shift, f"gain.{i}": gain}
        return tensors | {"target_shift": np.asarray(self.target_scale[0], dtype=np.float64)}

    def facts(self) -> dict[str, Any]:
        """Return what else to save."""
        return {
            "shapes": [list(shape) for shape in self.shapes],
            "n_outputs": self.n_outputs,
            "regression": self.regression,
            "target_gain": float(self.target_scale[1]),
            "seed": self.seed,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Leave the Keras model behind when pickled; it is made again from the weights."""
        return self.__dict__ | {"_model": None}


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Raise ValueError unless these are the facts of a network."""
    if set(facts) != {"shapes", "n_outputs", "regression", "target_gain", "seed"}:
        raise ValueError(f"facts {sorted(facts)}")
    shapes = facts["shapes"]
    if not (
        isinstance(shapes, list)
        and shapes
        and all(isinstance(s, list) and len(s) in (1, 3) and all(map(is_count, s)) for s in shapes)
        and is_count(facts["n_outputs"])
        and isinstance(facts["regression"], bool)
        and is_number(facts["target_gain"], above=0)
        and (facts["seed"] == 0 or is_count(facts["seed"]))
    ):
        raise ValueError(f"facts {facts!r}")


def _loss(n_classes: int | None) -> Any:
    """Return the Keras loss of a task."""
    import keras

    if n_classes is None:
        return _masked_absolute_error
    if n_classes == 2:
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _metrics(n_classes: int | None) -> list[Any]:
    """Return the metrics of a task."""
    import keras

    if n_classes is None:
        return []
    # Of logits: Keras's own "accuracy" of two classes would compare them with 0.5.
    return [keras.metrics.BinaryAccuracy("accuracy", threshold=0.0) if n_classes == 2 else "accuracy"]


def _learn_scale(array: NDArray[np.float32], scaling: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return shift and gain per channel, from training rows."""
    channels = array.shape[-1]
    if scaling == "standard":
        axes = tuple(range(array.ndim - 1))
        mean = array.mean(axis=axes, dtype=np.float64)
        deviation = array.std(axis=axes, dtype=np.float64)
        floor = max(0.03 * float(deviation.mean()), 1e-12)
        return mean.astype(np.float32), (1 / np.maximum(deviation, floor)).astype(np.float32)
    largest = float(np.abs(array).max()) if scaling == "max" else 1.0
    gain = np.full(channels, 1 / largest if largest > 0 else 1.0, dtype=np.float32)
    return np.zeros(channels, dtype=np.float32), gain


def _learn_target_scale(data: TrainingData, *, bounded: bool) -> tuple[NDArray[np.float64], float]:
    """Return mean and deviation of the targets; a bounded output gets targets as they are."""
    if data.n_classes is not None or bounded:
        return np.zeros(1), 1.0
    present = np.isfinite(data.targets)
    counts = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, data.targets, 0).sum(axis=0) / counts
    deviation = float(np.sqrt(np.mean(np.square(data.targets - mean)[present]))) if present.any() else 1.0
    return mean, deviation or 1.0


def _masked_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Return the mean absolute error of each row over the values that are not NaN."""
    from keras import ops

    present = ops.logical_not(ops.isnan(y_true))
    gaps = ops.where(present, ops.abs(ops.where(present, y_true, 0.0) - y_pred), 0.0)
    return ops.sum(gaps, axis=-1) / ops.maximum(ops.sum(ops.cast(present, gaps.dtype), axis=-1), 1.0)


def _batches(
    fitted: FittedNetwork,
    maps: Maps,
    targets: NDArray[Any],
    weight: NDArray[np.float64],
    batch_size: int,
    seed: int | None,
) -> Any:
    """Return a Keras data set that shuffles by its own generator; no seed, no shuffling."""
    import keras

    if fitted.regression:
        targets = ((targets - fitted.target_scale[0]) / fitted.target_scale[1]).astype(np.float32)
    else:
        targets = targets.astype(np.float32 if fitted.n_outputs == 1 else np.int32)
        targets = targets[:, None] if fitted.n_outputs == 1 else targets

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__(workers=1, use_multiprocessing=False)
            self.generator = None if seed is None else np.random.default_rng(seed)
            self.order = np.arange(len(targets))
            self.on_epoch_begin()

        def __len__(self) -> int:
            return -(-len(self.order) // batch_size)

        def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
            rows = np.sort(self.order[index * batch_size : (index + 1) * batch_size])
            inputs = fitted.scale([array[rows] for array in maps])
            features = tuple(inputs) if len(inputs) > 1 else inputs[0]
            return features, targets[rows], weight[rows].astype(np.float32)

        def on_epoch_begin(self) -> None:
            if self.generator is not None:
                self.order = self.generator.permutation(len(targets))

    return Batches()


def _recorder(epochs: int, progress: bool) -> Any:
    """Return a callback that keeps the history as a list of rows, and shows a bar."""
    import keras
    from tqdm.auto import tqdm

    class Recorder(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[dict[str, float]] = []

        def on_train_begin(self, logs: Any = None) -> None:
            self.bar = tqdm(
                total=epochs, desc="head", unit="epoch", delay=1, disable=not progress, leave=False
            )

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = {name: float(value) for name, value in (logs or {}).items()}
            self.rows.append({"epoch": epoch + 1, **row, "seconds": time.perf_counter() - self.started})
            self.bar.update()

        def on_train_end(self, logs: Any = None) -> None:
            self.bar.close()

    return Recorder()
