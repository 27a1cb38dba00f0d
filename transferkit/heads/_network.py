"""Heads that are small Keras networks: one training loop for all of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import choice, is_count, is_number
from transferkit.foundation.forks import enter_network
from transferkit.heads._base import Maps, TrainingData, check_arrays, is_rate
from transferkit.heads._training import (
    learn_scale,
    learn_target_scale,
    loss_of,
    make_batches,
    make_recorder,
    metrics_of,
)

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
    learning_rate_decay: float = 1.0
    patience: int | None = 5
    monitor: str = "loss"
    scaling: str = "standard"

    layers: ClassVar[str] = "last"
    pools: ClassVar[bool] = False
    uses_validation: ClassVar[bool] = True
    averages_views: ClassVar[bool] = False
    half: ClassVar[bool] = False

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
        if not is_rate(self.dropout):
            problems.append(f"dropout must be in [0, 1). Got {self.dropout!r}.")
        if not is_number(self.learning_rate, above=0):
            problems.append(f"learning_rate must be positive. Got {self.learning_rate!r}.")
        if not is_number(self.learning_rate_decay, above=0) or self.learning_rate_decay > 1:
            problems.append(f"learning_rate_decay must be in (0, 1]. Got {self.learning_rate_decay!r}.")
        problems += choice("monitor", self.monitor, ("loss", "accuracy"))
        patience = self.patience
        if not (patience is None or is_count(patience) or (is_number(patience, above=-1) and patience == 0)):
            problems.append(f"patience must be a number of epochs, or None. Got {patience!r}.")
        problems += choice("output_activation", self.output_activation, ("linear", "sigmoid"))
        problems += choice("scaling", self.scaling, ("standard", "max", "none"))
        return problems

    def build(
        self, shapes: Sequence[tuple[int, ...]], n_outputs: int, *, seed: int = 0, regression: bool = False
    ) -> Any:
        """Return the untrained ``keras.Model`` for features of these shapes, one per layer."""
        raise NotImplementedError

    def fit(self, data: TrainingData) -> FittedNetwork:
        """Return the fitted head; see :class:`TrainingData`.

        Classes learn by cross-entropy on logits, values by the mean absolute error of those present.

        Raises
        ------
        InvalidInputError
            ``monitor="accuracy"`` of a regression, which has none.
        """
        enter_network()
        import keras

        if data.n_classes is None and self.monitor == "accuracy":
            raise InvalidInputError("monitor='accuracy' needs classes; keypoints have none. Pass 'loss'.")
        fitted = FittedNetwork(
            self,
            [tuple(array.shape[1:]) for array in data.maps],
            data.n_outputs,
            data.n_classes is None,
            [learn_scale(array, self.scaling) for array in data.maps],
            learn_target_scale(data, bounded=self.output_activation == "sigmoid"),
            seed=data.random_state,
        )
        model = fitted.model()
        model.compile(
            optimizer=keras.optimizers.Adam(self.learning_rate),
            loss=loss_of(data.n_classes),
            weighted_metrics=metrics_of(data.n_classes),
            jit_compile=False,
        )
        batches = make_batches(
            fitted, data.maps, data.targets, data.sample_weight, self.batch_size, data.random_state
        )
        validation = None
        callbacks: list[Any] = []
        if self.learning_rate_decay != 1:
            callbacks.append(keras.callbacks.LearningRateScheduler(self._rate_at))
        callbacks.append(recorder := make_recorder(self.epochs, data.progress))
        if data.validation is not None:
            maps, held = data.validation
            validation = make_batches(fitted, maps, held, np.ones(len(held)), _PREDICT_BATCH, None)
            if self.patience is not None:
                callbacks.append(
                    keras.callbacks.EarlyStopping(
                        f"val_{self.monitor}", patience=self.patience, restore_best_weights=True
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

    def _rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        return float(self.learning_rate * self.learning_rate_decay**epoch)

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
    history: list[dict[str, Any]] = field(default_factory=list)
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
        enter_network()
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
