"""Fine-tuning: train a backbone, or its last layers, together with the head of an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from transferkit.errors import InvalidInputError
from transferkit.estimators import HeldOutImages, ImageEstimator, Tuned, TunedLook, hold_out_images
from transferkit.finetuning._options import Options
from transferkit.finetuning._subject import subject_of
from transferkit.finetuning._tune import tune


def fine_tune(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    boxes: Any = None,
    layers: str = "all",
    epochs: int = 20,
    learning_rate: float = 3e-4,
    batch_size: int = 32,
    validation_fraction: float = 0.15,
    precision: str = "auto",
) -> Any:
    """Train the backbone of an estimator together with its head, and return the new estimator.

    First the head is fitted on the frozen backbone; then both are trained on random squares of the images,
    drawn anew in each epoch: shifted, rotated, zoomed, with more or less contrast, and mirrored if the
    estimator uses mirror images. For keypoints with a closer look, only the closer look is trained; the first
    look keeps the frozen backbone. A part of the images is held out. They decide which epoch is the best, and
    only they are used for calibration, thresholds, novelty and expected errors.

    To resume an interrupted training after its last epoch, call it again with the same images and parameters.

    Parameters
    ----------
    estimator : Classifier, ImageRegressor or KeypointRegressor
        Fitted or not; it is not changed. Its backbone must be a Keras model with a single weights file.
    X, y, groups, sample_weight, boxes
        As for its ``fit``.
    layers : str, default="all"
        Layers to train. ``"block_12:"`` trains the layer with this name (or else the first one whose name
        begins with "block_12_") and all layers after it.
    epochs : int, default=20
        Number of passes over the training images.
    learning_rate : float, default=3e-4
        Highest learning rate of the head and of the last layer of the backbone. It is reached after a linear
        warm-up over the first twentieth of the training, and then falls to 0 as a cosine. The first layer has
        a tenth of it, and those between a rate between.
    batch_size : int, default=32
        Number of images in a training step.
    validation_fraction : float, default=0.15
        Fraction of the images, or groups, to hold out, in (0, 0.5]; rounded to 1/2, 1/3, 1/4, ...
    precision : {"auto", "float32", "float16"}, default="auto"
        Number format of the computation; weights are always float32. "auto" is float16 on a GPU, else
        float32.

    Returns
    -------
    estimator
        A new, fitted estimator. Its ``weights`` are a new file, so that its features are never confused with
        cached ones; for keypoints with a closer look, only ``refinements_`` use that file. ``save`` stores
        it in the model. ``fine_tuning_`` describes the training. If no epoch was better on the held-out
        images than the frozen backbone, a warning says so, and the estimator is fitted on the frozen one.

    Raises
    ------
    InvalidInputError
        The data or a parameter cannot be used, or the head or the backbone cannot be trained.
    BadImageError
        An image cannot be read and ``on_error`` is "raise".

    Notes
    -----
    Training needs TensorFlow, or another backend of Keras. On two cores, an epoch of 2,000 images takes
    minutes; :func:`transferkit.compare` with a :class:`FineTuned` tells whether it is worth it.

    Do not cross-validate the result on the same images, which its backbone has seen (``fit`` warns of that).
    Cross-validate a :class:`FineTuned` instead.

    Examples
    --------
    >>> from transferkit import Classifier, fine_tune
    >>> clf = fine_tune(Classifier("mobilenet"), paths, labels, groups=people)  # doctest: +SKIP
    >>> clf.save("tuned.safetensors")  # doctest: +SKIP
    """
    if not isinstance(estimator, ImageEstimator):
        raise InvalidInputError(
            "estimator must be a Classifier, an ImageRegressor or a KeypointRegressor. "
            f"Got {type(estimator).__name__}."
        )
    options = Options(layers, epochs, learning_rate, batch_size, validation_fraction, precision)
    where = {} if boxes is None else {"boxes": boxes}
    own = {"groups": groups, "sample_weight": sample_weight, **where}
    data = hold_out_images(estimator, X, y, **own, fraction=validation_fraction)
    start = _fitted_on_part(estimator, data, own)
    subject = subject_of(start, data)
    result = tune(start, subject, data, options)
    if result is None:
        return clone(estimator).fit(data.given.items, data.given.y, **own)
    weights, mean, first = str(result.weights), subject.closer_mean, start.predictor_
    tuned = clone(estimator).set_params(head=data.given.head)
    if mean is None:
        tuned.set_params(weights=weights)
        tuned._tuned = Tuned(data.held, first.views, result.head, None, result.record)
    else:  # the first look keeps its head and the frozen backbone: the new one is not tuned to whole images
        closer = TunedLook(weights, mean, result.head)
        tuned._tuned = Tuned(data.held, first.views, first.head, closer, result.record)
    try:
        tuned.fit(data.given.items, data.given.y, **own)
    finally:
        tuned.__dict__.pop("_tuned", None)
    result.checkpoint.delete()  # only now, so that the training is not lost if the fit fails
    return tuned


def _fitted_on_part(estimator: Any, data: HeldOutImages, own: dict[str, Any]) -> Any:
    """Return the estimator fitted on the frozen backbone, without the images that are held out."""
    start = clone(estimator).set_params(head=data.given.head)
    part = {name: _take(value, data.train) for name, value in own.items() if value is not None}
    if data.given.head.uses_validation:
        held: tuple[Any, ...] = ([data.given.items[row] for row in data.held], _take(data.given.y, data.held))
        if own["sample_weight"] is not None or "boxes" in own:
            held += (data.given.weight[data.held],)
        if "boxes" in own:
            held += (_take(own["boxes"], data.held),)
        part["validation_data"] = held
    return start.fit([data.given.items[row] for row in data.train], _take(data.given.y, data.train), **part)


def _take(values: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows of targets, groups, weights or boxes, whatever their container."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if isinstance(values, list | tuple):  # with several labels per image, rows differ in length
        return [values[row] for row in rows]
    if hasattr(values, "tocsr"):
        return values.tocsr()[rows]
    return np.asarray(values)[rows]
