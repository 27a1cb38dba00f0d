"""Convert fitted heads to Keras layers, for training them together with a backbone, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.heads._base import FittedHead, Maps, Validation
from transferkit.heads._calibration import network_gain
from transferkit.heads._keypoint_maps import round_to_half
from transferkit.heads._keypoint_network import distance_loss
from transferkit.heads._network import FittedNetwork
from transferkit.heads._training import learn_scale, loss_of
from transferkit.heads.cascade import COARSE_GRID, finest_map
from transferkit.heads.keypoint_map import FittedKeypointMap
from transferkit.heads.linear import FittedLinear
from transferkit.tasks import Task

_LARGEST_RATE = 1.0
# A linear head has one small weight for each of thousands of features: a step of the size that suits a layer
# would be a multiple of the weight.
_STEPS_TO_GROW = 10.0


@dataclass(frozen=True)
class JointHead:
    """A fitted head as Keras layers.

    Attributes
    ----------
    call : callable
        Maps a list of maps (n, h, w, c), as Keras tensors, to outputs for ``loss``.
    weights : list of Keras variables
        Trainable weights, in the order that ``finished`` takes.
    encode : callable
        Maps targets as heads learn them to targets for ``loss``.
    loss : callable or keras.losses.Loss
    rate : float
        Factor of the learning rate, relative to that of the backbone.
    finished : callable
        Maps arrays of the weights to a fitted head.
    """

    call: Callable[[list[Any]], Any]
    weights: list[Any]
    encode: Callable[[NDArray[Any]], NDArray[Any]]
    loss: Any
    rate: float
    finished: Callable[[list[NDArray[Any]]], FittedHead]


def joint_head(
    fitted: FittedHead, task: Task, maps: Maps, label_weight: NDArray[np.float64] | None = None
) -> JointHead:
    """Return a fitted head as Keras layers, to continue its training.

    Parameters
    ----------
    fitted : FittedHead
    task : Task
    maps : sequence of ndarray
        Features of some of the training squares, by which the scale of features is estimated.
    label_weight : ndarray, shape (2, n_labels), optional
        As in :class:`TrainingData`.

    Raises
    ------
    InvalidInputError
        The head is not a chain of differentiable layers.
    """
    if isinstance(fitted, FittedLinear):
        return _linear(fitted, task, maps, label_weight)
    if isinstance(fitted, FittedNetwork):
        return _network(fitted, task, label_weight)
    if isinstance(fitted, FittedKeypointMap):
        return _keypoint_map(fitted)
    raise InvalidInputError(
        f"head must be linear or a network to be trained together with a backbone. Got "
        f"{type(fitted).__name__}. Choose head='linear', or 'keypoint_map' for keypoints."
    )


def calibrated(fitted: FittedHead, task: Task, validation: Validation, method: str | None) -> FittedHead:
    """Return a head whose logits are divided by a temperature, chosen on rows that it has not seen."""
    if method is None or task.regression:
        return fitted
    gain = network_gain(fitted.predict(validation.maps), validation.targets, validation.sample_weight)
    if isinstance(fitted, FittedLinear):
        weights = (fitted.weights * np.float64(gain)).astype(np.float32)
        return replace(fitted, weights=weights, intercept=fitted.intercept * gain)
    if isinstance(fitted, FittedNetwork):
        shift, before = fitted.target_scale
        return replace(fitted, target_scale=(shift * gain, np.asarray(before * gain)))
    return fitted


def _linear(fitted: FittedLinear, task: Task, maps: Maps, label_weight: Any) -> JointHead:
    """Return the head on features scaled to equal variance, so that steps suit all of them."""
    import keras
    from keras import ops

    scales = [learn_scale(array, "standard") for array in maps]
    shift, gain = (
        np.concatenate(
            [
                np.broadcast_to(scale[i], array.shape[1:]).ravel()
                for scale, array in zip(scales, maps, strict=True)
            ]
        ).astype(np.float64)
        for i in (0, 1)
    )
    raw = fitted.weights.astype(np.float64)
    kernel = raw / gain[:, None]
    layer = keras.layers.Dense(fitted.n_outputs)
    layer.build((None, fitted.n_inputs))
    layer.set_weights([kernel.astype(np.float32), (fitted.intercept + shift @ raw).astype(np.float32)])

    def call(maps: list[Any]) -> Any:
        flat = [keras.layers.Flatten()(each) for each in maps]
        row = ops.concatenate(flat, axis=-1) if len(flat) > 1 else flat[0]
        return layer((row - shift.astype(np.float32)) * gain.astype(np.float32))

    def finished(weights: list[NDArray[Any]]) -> FittedLinear:
        raw = weights[0].astype(np.float64) * gain[:, None]
        intercept = weights[1] - shift @ raw
        return FittedLinear(raw.astype(np.float32), intercept, fitted.penalty, fitted.history)

    size = float(np.sqrt(np.mean(np.square(kernel))))
    rate = min(_STEPS_TO_GROW * size, _LARGEST_RATE)
    weights = [layer.kernel, layer.bias]
    return JointHead(call, weights, _encoder(task), loss_of(task, label_weight), rate, finished)


def _network(fitted: FittedNetwork, task: Task, label_weight: Any) -> JointHead:
    import keras

    copy = replace(fitted, _model=None)
    model = copy.model()
    shift, gain = (np.asarray(each, np.float32) for each in fitted.target_scale)

    def call(maps: list[Any]) -> Any:
        scaled = [
            keras.layers.Lambda(lambda x, low=low, by=by: (x - low) * by)(each)
            for each, (low, by) in zip(maps, fitted.scales, strict=True)
        ]
        return model(scaled if len(scaled) > 1 else scaled[0])

    def encode(targets: NDArray[Any]) -> NDArray[Any]:
        return ((targets - shift) / gain).astype(np.float32)

    def finished(weights: list[NDArray[Any]]) -> FittedNetwork:
        return replace(fitted, weights=weights, _model=None)

    own = encode if task.regression else _encoder(task)
    return JointHead(call, list(model.weights), own, loss_of(task, label_weight), 1.0, finished)


def _keypoint_map(fitted: FittedKeypointMap) -> JointHead:
    model = replace(fitted, dtype="float32", _model=None).model()

    def call(maps: list[Any]) -> Any:
        finest = finest_map(maps)
        coarse = [each for i, each in enumerate(maps) if i != finest] or maps
        return model([maps[finest], *(pooled(_as_map(each), COARSE_GRID) for each in coarse)])

    def finished(weights: list[NDArray[Any]]) -> FittedKeypointMap:
        return replace(fitted, weights=round_to_half(weights), _model=None)

    def encode(targets: NDArray[Any]) -> NDArray[Any]:
        return targets.astype(np.float32)

    return JointHead(call, list(model.weights), encode, distance_loss, 1.0, finished)


def _as_map(tensor: Any) -> Any:
    """Return a map; a vector counts as a map of one cell."""
    from keras import ops

    return tensor if len(tensor.shape) == 4 else ops.reshape(tensor, (-1, 1, 1, tensor.shape[-1]))


def _encoder(task: Task) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function that converts targets of a task to those of its loss."""

    def encode(targets: NDArray[Any]) -> NDArray[Any]:
        if task.kind == "classes" and task.n_outputs > 1:
            return targets.astype(np.int32)
        return targets.astype(np.float32).reshape(len(targets), -1)

    return encode


def pooled(maps: Any, grid: int | None) -> Any:
    """Return maps (n, h, w, c) averaged as :func:`foundation.maps.pool_to_grid` does, in Keras."""
    from keras import ops

    if grid is None or len(maps.shape) != 4:
        return maps
    for axis in (1, 2):
        side = maps.shape[axis]
        if side <= grid:
            continue
        cells = []
        for i in range(grid):
            place = [slice(None)] * 4
            place[axis] = slice(i * side // grid, -(-(i + 1) * side // grid))
            cells.append(ops.mean(maps[tuple(place)], axis=axis))
        maps = ops.stack(cells, axis=axis)
    return maps
