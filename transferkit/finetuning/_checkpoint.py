"""Save the state of a training to disk, to resume it after an interruption."""

from __future__ import annotations

import contextlib
import errno
import getpass
import json
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from transferkit.cache import FeatureCache
from transferkit.foundation.files import write_text

try:
    import fcntl
except ImportError:  # Windows, where two trainings of the same at the same time are not told apart
    fcntl = None  # type: ignore[assignment]

_STATE = "state.json"
_FORGOTTEN = 30 * 24 * 3600  # seconds
_OWNER = "process"  # file that the process that trains has locked


class State(NamedTuple):
    """The state of a training after an epoch.

    Attributes
    ----------
    epoch : int
        Number of completed epochs.
    best_epoch : int
        The epoch with the smallest held-out loss; 0 is the frozen backbone.
    history : list of dict
        One row per epoch, after one for the frozen backbone.
    """

    epoch: int
    best_epoch: int
    history: list[dict[str, float]]


class Checkpoint:
    """A folder with weights and optimizer after the last epoch, and the weights of the best epoch.

    Parameters
    ----------
    key : str
        Digest of everything that the training depends on; it names the folder.
    """

    def __init__(self, key: str) -> None:
        self._folder = FeatureCache().folder / "tuning" / key
        self._hold: IO[str] | None = None

    def __enter__(self) -> Checkpoint:
        """Reserve the folder, or a new one if another process is running the same training."""
        try:
            self._reserve()
        except OSError:  # such as a read-only folder, without which tuned weights are kept, too
            elsewhere = Path(tempfile.gettempdir()) / f"transferkit-tuning-{getpass.getuser()}"
            self._folder = elsewhere / self._folder.name
            self._reserve()
        return self

    def _reserve(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._forget_old()
        self._hold = _taken(self._folder)
        if self._hold is None:
            name = f"{self._folder.name}-{os.getpid()}-{secrets.token_hex(4)}"
            self._folder = self._folder.with_name(name)
            self._folder.mkdir()
            self._hold = _taken(self._folder)

    def __exit__(self, *_: object) -> None:
        """Release the folder, so that another process can resume the training."""
        if self._hold is not None:
            self._hold.close()

    def _forget_old(self) -> None:
        """Delete trainings that have not been resumed for a month."""
        for folder in self._folder.parent.iterdir():
            with contextlib.suppress(OSError):  # deleted by another process
                times = [path.stat().st_mtime for path in (folder, *folder.iterdir())]
                if folder != self._folder and max(times) < time.time() - _FORGOTTEN:
                    shutil.rmtree(folder, ignore_errors=True)

    def read(self, model: Any) -> State | None:
        """Load the saved state into the model, and return it.

        Return None, and leave the model unchanged, if there is no state or it cannot be read.
        """
        from keras.ops import convert_to_numpy

        variables = [*model.variables, *model.optimizer.variables]
        before = [np.array(convert_to_numpy(variable)) for variable in variables]
        try:
            data = json.loads((self._folder / _STATE).read_text("utf-8"))
            state = State(data["epoch"], data["best_epoch"], data["history"])
            for path in (self.best(state.best_epoch), self._path("last", state.epoch)):
                model.load_weights(path)
            for variable, value in zip(_generators(model), data["generators"], strict=True):
                variable.assign(np.array(value, dtype=str(variable.dtype)))
            return state
        except Exception:  # noqa: BLE001 - a damaged file may raise anything
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            return None

    def write(self, model: Any, state: State) -> None:
        """Save an epoch; the state is written last, so that the files it names are complete."""
        from keras.ops import convert_to_numpy

        self._folder.mkdir(parents=True, exist_ok=True)
        model.save_weights(self._path("last", state.epoch))
        if state.best_epoch == state.epoch:
            shutil.copyfile(self._path("last", state.epoch), self.best(state.epoch))
        generators = [convert_to_numpy(variable).tolist() for variable in _generators(model)]
        write_text(self._folder / _STATE, json.dumps(state._asdict() | {"generators": generators}))
        for path in self._folder.glob("*.weights.h5"):
            if path not in (self._path("last", state.epoch), self.best(state.best_epoch)):
                with contextlib.suppress(OSError):
                    path.unlink()

    def best(self, epoch: int) -> Path:
        """Return the file of the best epoch so far."""
        return self._path("best", epoch)

    def delete(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str, epoch: int) -> Path:
        return self._folder / f"{name}-{epoch}.weights.h5"


def _generators(model: Any) -> list[Any]:
    """Return the states of random generators, such as those of dropout, which weights files lack."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def _taken(folder: Path) -> IO[str] | None:
    """Return a file that keeps others off a folder until it is closed; None where another has it.

    The system forgets the lock with its process. The number of a process would tell less: after a crash it
    may be that of another one, and the training would begin anew; in another container it means nothing.
    """
    stream = (folder / _OWNER).open("a", encoding="utf-8")
    try:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            stream.close()
            return None
    return stream
