"""Heads that are small Keras networks."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones import keras_defaults
from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import choice, is_count, is_number
from transferkit.foundation.forks import enter_network
from transferkit.heads._base import ALL_KINDS, Maps, TrainingData, is_fraction
from transferkit.heads._calibration import network_gain
from transferkit.heads._keras import KerasWeights, Scale, count_values, read_tensors
from transferkit.heads._training import learn_scale, learn_target_scale, loss_of, metrics_of, train

_PREDICT_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class NetworkHead:
    """Base of network heads: training, saving and rebuilding.

    A subclass adds its own fields, ``build`` and ``weight_shapes``.
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
    validation_fraction: float = 0.1
    scaling: str = "standard"

    kinds: ClassVar[frozenset[str]] = ALL_KINDS
    layers: ClassVar[str] = "last"
    pools: ClassVar[bool] = False
    uses_validation: ClassVar[bool] = True
    averages_views: ClassVar[bool] = False
    half: ClassVar[bool] = False
    refinement: ClassVar[str | None] = None
    weighs_labels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the fields; all problems are reported together."""
        if problems := self._problems():
            raise InvalidInputError(*problems)

    def _problems(self) -> list[str]:
        """Return problems with the fields; a subclass adds its own."""
        problems = [
            f"{name} must be a positive integer. Got {getattr(self, name)!r}."
            for name in ("hidden", "epochs", "batch_size")
            if not is_count(getattr(self, name))
        ]
        problems += [
            f"{name} must be in [0, 1). Got {getattr(self, name)!r}."
            for name in ("dropout", "validation_fraction")
            if not is_fraction(getattr(self, name))
        ]
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

    @keras_defaults()
    def fit(self, data: TrainingData) -> FittedNetwork:
        """Return the fitted head.

        The loss is the cross-entropy for classification, and the mean absolute error of present values for
        regression.

        Raises
        ------
        InvalidInputError
            ``monitor="accuracy"`` for regression.
        """
        enter_network()
        import keras

        if data.task.regression and self.monitor == "accuracy":
            raise InvalidInputError("monitor='accuracy' needs classes; regression has none. Pass 'loss'.")
        fitted = FittedNetwork(
            self,
            [tuple(array.shape[1:]) for array in data.maps],
            data.task.n_outputs,
            data.task.regression,
            [learn_scale(array, self.scaling) for array in data.maps],
            learn_target_scale(data, bounded=self.output_activation == "sigmoid"),
            seed=data.random_state,
        )
        fitted.model().compile(
            optimizer=keras.optimizers.Adam(self.learning_rate),
            loss=loss_of(data.task, data.label_weight),
            weighted_metrics=metrics_of(data.task),
            jit_compile=False,
        )
        callbacks: list[Any] = []
        if self.learning_rate_decay != 1:
            callbacks.append(keras.callbacks.LearningRateScheduler(self._rate_at))
        if data.validation is not None and self.patience is not None:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    f"val_{self.monitor}", patience=self.patience, restore_best_weights=True
                )
            )
        train(
            fitted,
            data,
            epochs=self.epochs,
            batch_size=self.batch_size,
            predict_batch=_PREDICT_BATCH,
            callbacks=callbacks,
        )
        if data.calibrate is not None and data.validation is not None and not data.task.regression:
            maps, targets, weight = data.validation
            gain = network_gain(fitted.predict(maps), targets, weight)
            fitted.target_scale = fitted.target_scale[0], np.asarray(gain)
        return fitted

    def _rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        return float(self.learning_rate * self.learning_rate_decay**epoch)

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedNetwork:
        """Rebuild a saved fitted head; raise ValueError if the arrays do not fit together."""
        _check_facts(facts)
        shapes, n_outputs = [tuple(shape) for shape in facts["shapes"]], facts["n_outputs"]
        weights, scales = read_tensors(tensors, shapes, "target_shift")
        # The network is built from these numbers on first use, so check here that the weights fit.
        found = [array.shape for array in weights]
        n_targets = len(tensors["target_shift"])
        if found != self.weight_shapes(shapes, n_outputs) or n_targets not in (1, n_outputs):
            raise ValueError(
                f"weights {found} do not fit {self} with inputs {shapes} and {n_outputs} outputs"
            )
        return FittedNetwork(
            self,
            shapes,
            n_outputs,
            facts["regression"],
            scales,
            (tensors["target_shift"], np.asarray(facts["target_gain"], dtype=np.float64)),
            weights,
            seed=facts["seed"],
        )

    def weight_shapes(self, shapes: Sequence[tuple[int, ...]], n_outputs: int) -> list[tuple[int, ...]]:
        """Return the shapes of the network's weights, in order, without building it."""
        raise NotImplementedError


@dataclass
class FittedNetwork(KerasWeights):
    """Weights of a network head; the Keras model is built from them on first use."""

    head: NetworkHead
    shapes: Sequence[tuple[int, ...]]
    n_outputs: int
    regression: bool
    scales: list[Scale]
    target_scale: tuple[NDArray[np.float64], NDArray[np.float64]]
    weights: list[NDArray[np.float32]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    seed: int = 0
    _model: Any = field(default=None, repr=False)

    @property
    def n_inputs(self) -> int:
        """Number of features in a row, over all layers."""
        return count_values(self.shapes)

    def _build(self) -> Any:
        """Return the untrained model."""
        # Keras seeds its initialisers from Python's generator: fix that one, and restore it.
        state = random.getstate()
        random.seed(self.seed)
        try:
            return self.head.build(self.shapes, self.n_outputs, seed=self.seed, regression=self.regression)
        finally:
            random.setstate(state)

    def scale(self, maps: Maps) -> list[NDArray[np.float32]]:
        """Return features scaled for the network."""
        return [
            (np.asarray(array, dtype=np.float32) - shift) * gain
            for array, (shift, gain) in zip(maps, self.scales, strict=True)
        ]

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return logits or values, (n, n_outputs)."""
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
        return super().tensors() | {"target_shift": np.asarray(self.target_scale[0], dtype=np.float64)}

    def facts(self) -> dict[str, Any]:
        """Return everything else to save."""
        return {
            "shapes": [list(shape) for shape in self.shapes],
            "n_outputs": self.n_outputs,
            "regression": self.regression,
            "target_gain": np.asarray(self.target_scale[1]).tolist(),
            "seed": self.seed,
        }


def _check_facts(facts: Mapping[str, Any]) -> None:
    """Raise ValueError unless these are the facts of a network."""
    if set(facts) != {"shapes", "n_outputs", "regression", "target_gain", "seed"}:
        raise ValueError(f"facts {sorted(facts)}")
    shapes, gains = facts["shapes"], facts["target_gain"]
    if not (
        isinstance(shapes, list)
        and shapes
        and all(isinstance(s, list) and len(s) in (1, 3) and all(map(is_count, s)) for s in shapes)
        and is_count(facts["n_outputs"])
        and isinstance(facts["regression"], bool)
        and (not isinstance(gains, list) or len(gains) == facts["n_outputs"])
        and all(is_number(gain, above=0) for gain in (gains if isinstance(gains, list) else [gains]))
        and (facts["seed"] == 0 or is_count(facts["seed"]))
    ):
        raise ValueError(f"facts {facts!r}")
