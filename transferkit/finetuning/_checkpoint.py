"""Where a training stands, on disk: it goes on there after an interruption."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from transferkit.cache import FeatureCache
from transferkit.foundation.files import write_text

_STATE = "state.json"


class State(NamedTuple):
    """What is known after an epoch.

    Attributes
    ----------
    epoch : int
        Epochs done.
    best_epoch : int
    history : list of dict
        A row for each epoch; the first is of the frozen backbone.
    """

    epoch: int
    best_epoch: int
    history: list[dict[str, float]]


class Checkpoint:
    """Weights and optimizer after the last epoch, and weights of the best one.

    Parameters
    ----------
    key : str
        Digest of all that the training depends on: another training has another folder.
    """

    def __init__(self, key: str) -> None:
        self._folder = FeatureCache().folder / "tuning" / key

    def read(self, model: Any) -> State | None:
        """Return where the training stands, and bring the model there; None to begin."""
        try:
            data = json.loads((self._folder / _STATE).read_text("utf-8"))
            state = State(data["epoch"], data["best_epoch"], data["history"])
            model.load_weights(self._path("last", state.epoch))
            return state if self.best(state.best_epoch).is_file() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, model: Any, state: State) -> None:
        """Keep an epoch; the file of the state comes last, so that it names whole files."""
        self._folder.mkdir(parents=True, exist_ok=True)
        model.save_weights(self._path("last", state.epoch))
        if state.best_epoch == state.epoch:
            shutil.copyfile(self._path("last", state.epoch), self.best(state.epoch))
        write_text(self._folder / _STATE, json.dumps(state._asdict()))
        for path in self._folder.glob("*.weights.h5"):
            if path not in (self._path("last", state.epoch), self.best(state.best_epoch)):
                with contextlib.suppress(OSError):
                    path.unlink()

    def best(self, epoch: int) -> Path:
        """Return the file of the best epoch so far."""
        return self._path("best", epoch)

    def delete(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str, epoch: int) -> Path:
        return self._folder / f"{name}-{epoch}.weights.h5"
