"""Train the last layers of a backbone together with the head of an estimator."""

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
    """Return an estimator whose backbone was trained on these images, together with its head.

    The head is fitted on the frozen backbone first, and training goes on from there, on squares of the images
    that are drawn anew in each epoch: moved, turned, zoomed, with more or less contrast, and mirrored where
    the estimator mirrors. Of keypoints with a closer look, it is that look which is trained; the first look
    keeps the frozen backbone. A part of the
    images is held out: it says which epoch is the best, and calibration, thresholds, novelty and expected
    errors are learned from it alone.

    A training that was interrupted goes on after the last epoch when it is called again with the same images
    and parameters.

    Parameters
    ----------
    estimator : Classifier, ImageRegressor or KeypointRegressor
        Fitted or not; it stays as it is. Its backbone must be a Keras model whose weights are one file.
    X, y, groups, sample_weight, boxes
        As for its ``fit``.
    layers : str, default="all"
        Which layers to train: ``"block_12:"`` is the first one of that name, or that begins so, and all after
        it.
    epochs : int, default=20
    learning_rate : float, default=3e-4
        Of the last layer of the backbone and of the head, at its highest: it grows over the first twentieth
        of the training and falls to 0 as a cosine. The first layer has a tenth of it, those between a rate
        between.
    batch_size : int, default=32
    validation_fraction : float, default=0.15
        Part of the images, or groups, to hold out, in (0, 0.5]; rounded to a half, a third, a quarter, ...
    precision : {"auto", "float32", "float16"}, default="auto"
        What is computed in; weights are always float32. "auto" is float16 on a GPU.

    Returns
    -------
    estimator
        A new one, fitted. Its ``weights`` are a file of their own, so that no cached feature is mistaken for
        one of them; of keypoints with a closer look, only ``refinements_`` use that file. ``save`` puts it
        into the model. ``fine_tuning_`` says what was done. Where no
        epoch was better on the held-out images than the frozen backbone, a warning says so, and the estimator
        is fitted on the frozen one.

    Raises
    ------
    InvalidInputError
        The data or a parameter cannot be used, or the head or the backbone cannot be trained.
    BadImageError
        An image cannot be read and ``on_error`` is "raise".

    Notes
    -----
    Training needs TensorFlow, or another backend of Keras. On two cores, an epoch of 2,000 images takes
    minutes; :func:`transferkit.compare` with a :class:`FineTuned` says whether it is worth it.

    Cross-validating the result on the same images would measure a backbone that has seen them: ``fit`` warns
    of that. Cross-validate a :class:`FineTuned`.

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
    else:  # the first look keeps what it has learned: whole images are not what the backbone is tuned to
        closer = TunedLook(weights, mean, result.head)
        tuned._tuned = Tuned(data.held, first.views, first.head, closer, result.record)
    try:
        tuned.fit(data.given.items, data.given.y, **own)
    finally:
        tuned.__dict__.pop("_tuned", None)
    result.checkpoint.delete()  # not before: if the fit fails, the training is not lost
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
    """Return some of the targets, groups, weights or boxes, in whatever they are kept."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if isinstance(values, list | tuple):  # of several labels, rows have several lengths
        return [values[row] for row in rows]
    if hasattr(values, "tocsr"):
        return values.tocsr()[rows]
    return np.asarray(values)[rows]
