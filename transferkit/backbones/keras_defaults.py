"""Keras with its default precision and layout, whatever the user's global settings are."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transferkit.errors import EngineError, MissingDependencyError
from transferkit.foundation.forks import enter_network
from transferkit.foundation.greetings import without_greetings

_NEEDED = ("keras", "tensorflow", "jax", "torch")  # Keras itself, and what it may run on
_lock = threading.Lock()
_inside = 0
_interrupted = False  # whether the first import was interrupted
_users: tuple[Any, Any] = ("float32", "channels_last")


@contextmanager
def keras_defaults() -> Iterator[None]:
    """Use float32 and channels-last in a block of code; the user's settings return afterwards.

    Features must not depend on ``keras.json`` or ``keras.mixed_precision.set_global_policy``. Layers keep the
    precision and layout that they are built with; Keras's ``preprocess_input`` reads both at every call.

    Threads may enter at the same time: the first one saves the settings of the process, the last one restores
    them. The policy of precision belongs to a thread.

    Raises
    ------
    EngineError
        This process was forked from one that had run a network.
    """
    enter_network()
    keras = _import_keras()
    global _inside, _users
    with _lock:
        # If no policy is set, Keras derives it from floatx once; so read it before floatx changes.
        policy = keras.config.dtype_policy()
        if _inside == 0:
            _users = keras.config.floatx(), keras.config.image_data_format()
            keras.config.set_floatx("float32")
            keras.config.set_image_data_format("channels_last")
        _inside += 1
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        with _lock:
            _inside -= 1
            if _inside == 0:
                keras.config.set_floatx(_users[0])
                keras.config.set_image_data_format(_users[1])


def _import_keras() -> Any:
    """Import and start Keras without the messages that TensorFlow prints.

    Raises
    ------
    EngineError
        An earlier import was interrupted: TensorFlow cannot be imported twice.
    """
    global _interrupted
    if "keras" in sys.modules:
        import keras

        return keras
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # later messages of TensorFlow
    try:
        with _lock, without_greetings():
            import keras

            keras.ops.convert_to_tensor(0.0)
    except KeyboardInterrupt:
        _interrupted = True
        raise
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        raise MissingDependencyError(str(error.name), "", "A network of Keras") from error
    except Exception as error:
        if _interrupted:
            raise EngineError(
                "The import of Keras and TensorFlow was interrupted before, and cannot be repeated in this "
                "process. Restart Python or the notebook's kernel. Cached features are kept.",
                name="keras",
            ) from error
        raise
    return keras
