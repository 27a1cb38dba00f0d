"""Run the epochs: train on random squares, evaluate on held-out images, keep the best epoch."""

from __future__ import annotations

import logging
import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import BadImageError
from transferkit.finetuning._checkpoint import Checkpoint, State
from transferkit.finetuning._network import JointNetwork
from transferkit.finetuning._options import Options
from transferkit.finetuning._squares import Squares
from transferkit.foundation.cores import usable_cores
from transferkit.foundation.progress import progress_bar
from transferkit.heads import JointHead, network_gain

logger = logging.getLogger("transferkit")


class Trained(NamedTuple):
    """The result of a training, after which the model has the weights of the best epoch.

    Attributes
    ----------
    best_epoch : int
        The best epoch; 0 is the frozen backbone.
    history : list of dict
        One row per epoch, after one for the frozen backbone: ``epoch``, ``loss`` on training squares,
        ``held_out`` loss, and ``seconds``.
    """

    best_epoch: int
    history: list[dict[str, float]]


def train(
    joint: JointNetwork,
    squares: Squares,
    weight: NDArray[np.float64],
    held: Squares,
    held_weight: NDArray[np.float64],
    options: Options,
    checkpoint: Checkpoint,
    *,
    progress: bool,
) -> Trained:
    """Train a compiled network, or resume an interrupted training.

    Parameters
    ----------
    joint : JointNetwork
        The network.
    squares, held : Squares
        Images to train on, and held-out images to choose the best epoch by.
    weight, held_weight : ndarray
        Weights of these images.
    options : Options
        Parameters of the training.
    checkpoint : Checkpoint
        Where the state is saved after each epoch.
    progress : bool
        Whether to show a progress bar.
    """
    model = joint.model
    state = checkpoint.read(model)
    if state is None:
        loss = held_out_loss(joint, held, held_weight, options.batch_size)
        state = State(0, 0, [{"epoch": 0, "loss": float("nan"), "held_out": loss, "seconds": 0.0}])
        checkpoint.write(model, state)
    batches = make_batches(joint, squares, weight, options.batch_size)
    per_epoch = len(batches)
    with progress_bar(
        options.epochs * per_epoch, "fine-tuning", "batch", done=state.epoch * per_epoch, show=progress
    ) as bar:
        for epoch in range(state.epoch, options.epochs):
            started = time.perf_counter()
            batches.begin(epoch)
            seen = _epoch(model, batches, bar)
            loss = held_out_loss(joint, held, held_weight, options.batch_size)
            row = {
                "epoch": epoch + 1,
                "loss": float(seen.history["loss"][-1]),
                "held_out": loss,
                "seconds": time.perf_counter() - started,
            }
            if not np.isfinite(loss):
                logger.warning(
                    f"fine_tune: the training diverged in epoch {epoch + 1}, and ends there. The best epoch "
                    "before is used. Pass a smaller learning_rate."
                )
                break
            best = min(old["held_out"] for old in state.history)
            better = loss < best
            state = State(epoch + 1, epoch + 1 if better else state.best_epoch, [*state.history, row])
            checkpoint.write(model, state)
            bar.set_postfix_str(f"held-out loss {min(loss, best):.4g}")
    model.load_weights(checkpoint.best(state.best_epoch))
    return Trained(state.best_epoch, state.history)


def _epoch(model: Any, batches: Any, bar: Any) -> Any:
    """Train for one epoch; an image that cannot be read is told as it is, and not by TensorFlow, as text."""
    try:
        return model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[_advance(bar)])
    except Exception:
        if batches.error is None:
            raise
        raise batches.error from None


def held_out_loss(joint: JointNetwork, held: Squares, weight: NDArray[np.float64], batch_size: int) -> float:
    """Return the mean loss on held-out images, using mirror images as in prediction.

    The logits of an image and its mirror image are averaged and divided by a fitted temperature, as the model
    will do: a network that is merely overconfident is not worse. For points, the loss is averaged over both.
    """
    from keras.ops import convert_to_numpy

    targets, outputs = [], []
    for mirror in (False, True) if held.mirror else (False,):
        for start in range(0, len(held), batch_size):
            rows = range(start, min(start + batch_size, len(held)))
            shown, there = zip(*(held.judged(row, mirror) for row in rows), strict=True)
            answers = convert_to_numpy(joint.model(_pixels(held, shown), training=False))
            targets.append(np.stack(there))
            outputs.append(answers[:, -1:] if answers.ndim == 3 else answers)  # the last of several steps
    true, found = np.concatenate(targets), np.concatenate(outputs)
    if held.task.kind == "points":  # they are at other places in a mirror image, and cannot be averaged
        weight = np.tile(weight, len(found) // len(weight))
    else:
        true, found = true[: len(held)], found.reshape(-1, len(held), found.shape[1]).mean(axis=0)
    if not np.isfinite(found).all():
        return float("nan")
    if not held.task.regression:
        found = found * network_gain(found.astype(np.float64), true, weight)
    else:  # ignore images without any target
        weight = weight * np.isfinite(true.reshape(len(true), -1)).any(axis=1)
    each = loss_of_rows(joint.head, true, found)
    return float(weight @ each / max(weight.sum(), 1e-12))


def loss_of_rows(head: JointHead, targets: NDArray[Any], outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Return the loss of each row of a head's outputs."""
    from keras.ops import convert_to_numpy, convert_to_tensor

    function = getattr(head.loss, "call", head.loss)  # calling a Loss itself would average over rows
    each = function(convert_to_tensor(head.encode(targets)), convert_to_tensor(outputs.astype(np.float32)))
    rows = np.asarray(convert_to_numpy(each), np.float64)
    return rows.reshape(len(rows), -1).mean(axis=1)


def _pixels(squares: Squares, shown: Any) -> Any:
    """Return squares preprocessed for the network."""
    return squares.extractor.settings().backbone.preprocess(np.stack(shown))


def make_batches(joint: JointNetwork, squares: Squares, weight: NDArray[np.float64], batch_size: int) -> Any:
    """Return a Keras data set whose squares and order depend only on the seed and the epoch."""
    import keras

    weights = (weight / weight.mean()).astype(np.float32)

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__(workers=usable_cores(), use_multiprocessing=False, max_queue_size=4)
            self.error: BadImageError | None = None
            self.begin(0)

        def begin(self, epoch: int) -> None:
            self.epoch = epoch
            self.order = np.random.default_rng([squares.seed, epoch]).permutation(len(squares))

        def __len__(self) -> int:
            return -(-len(squares) // batch_size)

        def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
            rows = self.order[index * batch_size : (index + 1) * batch_size]
            try:
                shown, targets = zip(*(squares.drawn(int(row), self.epoch) for row in rows), strict=True)
            except BadImageError as error:
                self.error = error
                raise
            pixels = _pixels(squares, shown)
            return pixels, joint.head.encode(np.stack(targets)), weights[rows]

    return Batches()


def _advance(bar: Any) -> Any:
    """Return a callback that advances a progress bar."""
    import keras

    class Advance(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            bar.update()

    return Advance()
