"""Train the head and the weights of a backbone together, starting from a head on the frozen backbone."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit._version import __version__
from transferkit.backbones import keras_defaults, note_trained_on, noted_trained_on
from transferkit.engines import has_gpu
from transferkit.estimators import FineTuning, HeldOutImages, content_keys
from transferkit.finetuning._checkpoint import Checkpoint
from transferkit.finetuning._network import JointNetwork, join
from transferkit.finetuning._optimizer import make_optimizer
from transferkit.finetuning._options import Options
from transferkit.finetuning._subject import Subject
from transferkit.finetuning._training import Trained, train
from transferkit.heads import FittedHead, joint_head
from transferkit.persistence import keep_weights
from transferkit.tasks import Classes

_SAMPLE = 64  # number of squares to estimate the scale of features from

logger = logging.getLogger("transferkit")


class Tuned(NamedTuple):
    """The result: a weights file, a head for its features, a record of the training, and its checkpoint."""

    weights: Path
    head: FittedHead
    record: FineTuning
    checkpoint: Checkpoint


@keras_defaults()
def tune(start: Any, subject: Subject, data: HeldOutImages, options: Options) -> Tuned | None:
    """Train a backbone with its head; return None if no epoch beats the frozen backbone on held-out images.

    Parameters
    ----------
    start : estimator
        An estimator fitted on the training images with the frozen backbone.
    subject : Subject
        The part of it to fine-tune.
    data : HeldOutImages
        All images, of which a part is held out.
    options : Options
        Parameters of the training.
    """
    from keras.ops import convert_to_numpy

    rows, held = (part[subject.usable[part]] for part in (data.train, data.held))
    weight, label_weight = _weights(start, data, rows)
    precision = ("float16" if has_gpu() else "float32") if options.precision == "auto" else options.precision
    squares, task = subject.squares.take(rows), start.predictor_.task
    shown = np.stack([squares.drawn(row, 0)[0] for row in range(min(_SAMPLE, len(rows)))])
    joint = join(
        subject.extractor,
        lambda maps: joint_head(subject.head, task, maps, label_weight),
        subject.extractor.settings().backbone.preprocess(shown),
        options.layers,
        precision,
    )
    head = joint.head
    n_steps = options.epochs * -(-len(rows) // options.batch_size)
    optimizer = make_optimizer(joint.rates, options.learning_rate, n_steps, half=precision == "float16")
    joint.model.compile(optimizer=optimizer, loss=head.loss, jit_compile=False)
    optimizer.build(joint.model.trainable_variables)
    checkpoint = Checkpoint(_key(start, subject, data, options, precision))
    progress = start._run_settings()["progress"]
    judged = subject.squares.take(held)
    with checkpoint:
        trained = train(
            joint, squares, weight, judged, data.given.weight[held], options, checkpoint, progress=progress
        )
    first = trained.history[0]["held_out"]
    if trained.best_epoch == 0:
        logger.warning(
            f"fine_tune: no epoch was better on {len(held)} held-out images than the frozen backbone, whose "
            f"loss there is {first:.4g}. The estimator that is returned is fitted on the frozen backbone."
        )
        checkpoint.delete()
        return None
    before = noted_trained_on(subject.extractor.settings().weights.path)
    content = _file_of(joint, np.union1d(content_keys(data.digests, data.train), before))
    path = keep_weights(content)
    record = _record(joint, subject, trained, options, content)
    arrays = [np.asarray(convert_to_numpy(variable)) for variable in head.weights]
    return Tuned(path, head.finished(arrays), record, checkpoint)


def _weights(
    start: Any, data: HeldOutImages, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the weights of training images, including those of their classes, and the weights of labels."""
    targets, given = data.given.targets[rows], data.given.weight[rows] / data.given.weight[rows].mean()
    task, meaning = start.predictor_.task, start._targets()
    weight = meaning.weights(targets, given)
    return weight, None if isinstance(task, Classes) else meaning.label_weight(task, targets, weight)


def _file_of(joint: JointNetwork, known: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the bytes of a weights file, which also records the images that it was trained on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tuned.weights.h5"
        joint.network.model.save_weights(path)
        note_trained_on(path, known)
        return np.frombuffer(path.read_bytes(), np.uint8)


def _record(
    joint: JointNetwork, subject: Subject, trained: Trained, options: Options, content: NDArray[np.uint8]
) -> FineTuning:
    best = trained.history[trained.best_epoch]
    return FineTuning(
        first_layer=joint.first_layer,
        n_parameters=joint.network.n_parameters,
        n_trained=joint.n_trained,
        epochs=options.epochs,
        best_epoch=trained.best_epoch,
        loss=trained.history[0]["held_out"],
        best_loss=best["held_out"],
        seconds=sum(row["seconds"] for row in trained.history),
        started_from=subject.extractor.settings().weights.digest,
        weights=content,
        of_closer_look=subject.closer_mean is not None,
    )


def _key(start: Any, subject: Subject, data: HeldOutImages, options: Options, precision: str) -> str:
    """Return a digest of everything that a training depends on."""
    facts = {
        "version": __version__,
        "options": options.to_dict(),
        "precision": precision,
        "features": subject.extractor.describe(),
        "seed": subject.squares.seed,
        "digests": data.digests,
        "head": repr(data.given.head),
        "kind": type(start).__name__,
        "augment": repr(getattr(start, "augment", None)),  # views that the first head has learned from
        "class_weight": repr(getattr(start, "class_weight", None)),
        "mirror": subject.squares.mirror,
        "pairs": subject.squares.pairs,
    }
    if (slope := getattr(subject.head, "slope", None)) is not None:  # differs between versions
        facts["slope"] = slope
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    arrays = [data.train, data.held, data.given.weight, np.asarray(subject.squares.targets)]
    arrays += [] if subject.squares.frames is None else [subject.squares.frames]
    for array in arrays:  # without the head: when trained again, it may differ in the last digits
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]
