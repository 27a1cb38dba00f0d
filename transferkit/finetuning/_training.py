"""Epochs: train on drawn squares, judge on held-out images, keep the best."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.finetuning._checkpoint import Checkpoint, State
from transferkit.finetuning._network import JointNetwork
from transferkit.finetuning._options import Options
from transferkit.finetuning._squares import Squares
from transferkit.foundation.cores import usable_cores
from transferkit.foundation.progress import progress_bar


class Trained(NamedTuple):
    """What became of a training; the model has the weights of the best epoch.

    Attributes
    ----------
    best_epoch : int
    history : list of dict
        ``epoch``, ``loss`` of training squares, ``held_out``, and ``seconds``; the first row is of the frozen
        backbone.
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
    """Train a compiled network, epoch by epoch; one that was interrupted goes on where it was.

    Parameters
    ----------
    joint : JointNetwork
    squares, held : Squares
        To learn from, and to choose the epoch by.
    weight, held_weight : ndarray
        Of these images.
    options : Options
    checkpoint : Checkpoint
    progress : bool
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
            seen = model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[_advance(bar)])
            loss = held_out_loss(joint, held, held_weight, options.batch_size)
            row = {
                "epoch": epoch + 1,
                "loss": float(seen.history["loss"][-1]),
                "held_out": loss,
                "seconds": time.perf_counter() - started,
            }
            best = min(old["held_out"] for old in state.history)
            better = loss < best
            state = State(epoch + 1, epoch + 1 if better else state.best_epoch, [*state.history, row])
            checkpoint.write(model, state)
            bar.set_postfix_str(f"held-out loss {min(loss, best):.4g}")
    model.load_weights(checkpoint.best(state.best_epoch))
    return Trained(state.best_epoch, state.history)


def held_out_loss(joint: JointNetwork, held: Squares, weight: NDArray[np.float64], batch_size: int) -> float:
    """Return the loss of held-out images, of logits averaged over an image and its mirror image."""
    from keras import ops

    total = 0.0
    for start in range(0, len(held), batch_size):
        rows = range(start, min(start + batch_size, len(held)))
        looks = []
        for mirror in (False, True) if held.mirror else (False,):
            shown, targets = zip(*(held.judged(row, mirror) for row in rows), strict=True)
            outputs = joint.model(_pixels(joint, held, shown), training=False)
            looks.append((joint.head.encode(np.stack(targets)), outputs))
        if held.task.kind == "points":  # which lie at other places in a mirror image
            pairs = looks
        else:
            pairs = [(looks[0][0], ops.mean(ops.stack([outputs for _, outputs in looks]), axis=0))]
        for targets, outputs in pairs:
            each = loss_of_rows(joint.head.loss, targets, outputs)
            total += float(weight[list(rows)] @ each) / len(pairs)
    return total / float(weight.sum())


def loss_of_rows(loss: Any, targets: NDArray[Any], outputs: Any) -> NDArray[np.float64]:
    """Return the loss of each row."""
    from keras import ops

    function = getattr(loss, "call", loss)  # a Loss would average
    each = np.asarray(ops.convert_to_numpy(function(ops.convert_to_tensor(targets), outputs)), np.float64)
    return each.reshape(len(each), -1).mean(axis=1)


def _pixels(joint: JointNetwork, squares: Squares, shown: Any) -> Any:
    """Return squares as the network takes them."""
    return squares.extractor.settings().backbone.preprocess(np.stack(shown))


def make_batches(joint: JointNetwork, squares: Squares, weight: NDArray[np.float64], batch_size: int) -> Any:
    """Return a Keras data set whose squares and order depend on seed and epoch only."""
    import keras

    weights = (weight / weight.mean()).astype(np.float32)

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__(workers=usable_cores(), use_multiprocessing=False, max_queue_size=4)
            self.begin(0)

        def begin(self, epoch: int) -> None:
            self.epoch = epoch
            self.order = np.random.default_rng([squares.seed, epoch]).permutation(len(squares))

        def __len__(self) -> int:
            return -(-len(squares) // batch_size)

        def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
            rows = self.order[index * batch_size : (index + 1) * batch_size]
            shown, targets = zip(*(squares.drawn(int(row), self.epoch) for row in rows), strict=True)
            pixels = _pixels(joint, squares, shown)
            return pixels, joint.head.encode(np.stack(targets)), weights[rows]

    return Batches()


def _advance(bar: Any) -> Any:
    """Return a callback that moves a progress bar."""
    import keras

    class Advance(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            bar.update()

    return Advance()
