"""Training of networks: losses, scales, batches and the history."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.progress import progress_bar
from transferkit.heads._base import Maps, TrainingData, level, usual_size
from transferkit.tasks import Labels, Task, Values, deviations

_BLOCK = 64  # rows whose values are summed at a time


def loss_of(task: Task, label_weight: NDArray[np.float64] | None = None) -> Any:
    """Return the Keras loss of a task; ``label_weight`` as in ``TrainingData``."""
    import keras

    if task.regression:
        return _masked_absolute_error
    if label_weight is not None:
        return _weighted_cross_entropy(label_weight)
    if _is_binary(task):
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def metrics_of(task: Task) -> list[Any]:
    """Return the metrics of a task."""
    import keras

    if task.regression:
        return []
    # With one logit, Keras's own "accuracy" would compare it with 0.5.
    return [keras.metrics.BinaryAccuracy("accuracy", threshold=0.0) if _is_binary(task) else "accuracy"]


def _is_binary(task: Task) -> bool:
    """Return True if each logit is a binary decision of its own."""
    return isinstance(task, Labels) or task.n_outputs == 1


def train(
    fitted: Any,
    data: TrainingData,
    *,
    epochs: int,
    batch_size: int,
    predict_batch: int,
    callbacks: Sequence[Any] = (),
) -> None:
    """Train the compiled model of a fitted head, and set its weights and history."""
    model, recorder, validation = fitted.model(), _make_recorder(epochs, data.progress), None
    batches = make_batches(
        fitted, data.task, data.maps, data.targets, data.sample_weight, batch_size, data.random_state
    )
    if data.validation is not None:
        maps, targets, weight = data.validation
        # Keras divides by the number of rows; with mean weight 1, the loss is a weighted mean.
        weight = None if weight is None or not weight.any() else level(weight)
        validation = make_batches(fitted, data.task, maps, targets, weight, predict_batch)
    # Otherwise TensorFlow traces the first step twice, which takes seconds.
    model.optimizer.build(model.trainable_variables)
    model.fit(
        batches,
        validation_data=validation,
        epochs=epochs,
        callbacks=[*callbacks, recorder],
        shuffle=False,
        verbose=0,
    )
    fitted.weights = [np.asarray(weight) for weight in model.get_weights()]
    check_converged(fitted.head, fitted.weights)
    fitted.history = recorder.rows


def check_converged(head: Any, weights: Sequence[NDArray[Any]]) -> None:
    """Raise InvalidInputError if weights are not finite."""
    if not all(np.isfinite(weight).all() for weight in weights):
        raise InvalidInputError(
            f"The training of {head} diverged: it has learned numbers that are not finite. Pass a smaller "
            "learning_rate, or check the features."
        )


def learn_scale(array: NDArray[np.float32], scaling: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return shift and gain of each channel."""
    channels = array.shape[-1]
    if scaling == "standard":
        mean, deviation = _moments(array)
        if not deviation.any():
            return mean.astype(np.float32), np.ones(channels, np.float32)
        floor = max(0.03 * usual_size(deviation), float(np.finfo(np.float32).tiny))
        return mean.astype(np.float32), (1 / np.maximum(deviation, floor)).astype(np.float32)
    largest = float(np.abs(array).max()) if scaling == "max" else 1.0
    gain = np.full(channels, 1 / largest if largest > 0 else 1.0, dtype=np.float32)
    return np.zeros(channels, dtype=np.float32), gain


def _moments(array: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of each channel, computed in blocks since a copy would be too large."""
    channels, n_values = array.shape[-1], array.size // array.shape[-1]
    blocks = range(0, len(array), _BLOCK)
    mean, squares = np.zeros(channels), np.zeros(channels)
    for start in blocks:
        mean += array[start : start + _BLOCK].reshape(-1, channels).sum(axis=0, dtype=np.float64) / n_values
    for start in blocks:
        gaps = array[start : start + _BLOCK].reshape(-1, channels) - mean
        squares += np.square(gaps, out=gaps).sum(axis=0) / n_values
    return mean, np.sqrt(squares)


def learn_target_scale(
    data: TrainingData, *, bounded: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the targets; 0 and 1 for classes and bounded outputs.

    All points share one deviation; values have one each.
    """
    if not data.task.regression or bounded:
        return np.zeros(1), np.ones(())
    present = np.isfinite(data.targets)
    counts = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, data.targets, 0).sum(axis=0) / counts
    if isinstance(data.task, Values):
        return mean, deviations(data.targets)
    deviation = np.sqrt(np.mean(np.square(data.targets - mean)[present])) if present.any() else np.ones(())
    return mean, np.where(deviation > 0, deviation, 1.0)


def _masked_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Return the mean absolute error of each row, ignoring values that are NaN."""
    from keras import ops

    present = ops.logical_not(ops.isnan(y_true))
    gaps = ops.where(present, ops.abs(ops.where(present, y_true, 0.0) - y_pred), 0.0)
    return ops.sum(gaps, axis=-1) / ops.maximum(ops.sum(ops.cast(present, gaps.dtype), axis=-1), 1.0)


def _weighted_cross_entropy(label_weight: NDArray[np.float64]) -> Any:
    """Return the binary cross-entropy with weights of each label."""
    absent, present = label_weight.astype(np.float32)

    def loss(y_true: Any, y_pred: Any) -> Any:
        from keras import ops

        each = ops.binary_crossentropy(y_true, y_pred, from_logits=True)
        return ops.mean(each * (y_true * present + (1 - y_true) * absent), axis=-1)

    return loss


def make_batches(
    fitted: Any,
    task: Task,
    maps: Maps,
    targets: NDArray[Any],
    weight: NDArray[np.float64] | None,
    batch_size: int,
    seed: int | None = None,
) -> Any:
    """Return a Keras dataset; with a seed, it is shuffled by its own generator."""
    import keras

    weights = (np.ones(len(targets)) if weight is None else weight).astype(np.float32)
    if task.regression:
        targets = ((targets - fitted.target_scale[0]) / fitted.target_scale[1]).astype(np.float32)
    elif _is_binary(task):
        targets = targets.astype(np.float32).reshape(len(targets), -1)
    else:
        targets = targets.astype(np.int32)

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            # Batches of fine maps are large: by default, ten of them would wait in memory.
            super().__init__(workers=1, use_multiprocessing=False, max_queue_size=2)
            self.generator = None if seed is None else np.random.default_rng(seed)
            self.order = np.arange(len(targets))
            self.on_epoch_begin()

        def __len__(self) -> int:
            return -(-len(self.order) // batch_size)

        def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
            rows = np.sort(self.order[index * batch_size : (index + 1) * batch_size])
            inputs = fitted.scale([array[rows] for array in maps])
            features = tuple(inputs) if len(inputs) > 1 else inputs[0]
            return features, targets[rows], weights[rows]

        def on_epoch_begin(self) -> None:
            if self.generator is not None:
                self.order = self.generator.permutation(len(targets))

    return Batches()


def _make_recorder(epochs: int, progress: bool) -> Any:
    """Return a callback that keeps the history as a list of rows and shows a progress bar."""
    import keras

    class Recorder(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[dict[str, float]] = []

        def on_train_begin(self, logs: Any = None) -> None:
            self.bar = progress_bar(epochs, "head", "epoch", show=progress)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = {name: float(value) for name, value in (logs or {}).items()}
            self.rows.append({"epoch": epoch + 1, **row, "seconds": time.perf_counter() - self.started})
            self.bar.update()

        def on_train_end(self, logs: Any = None) -> None:
            self.bar.close()

    return Recorder()
