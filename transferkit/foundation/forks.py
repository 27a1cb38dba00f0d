"""TensorFlow and OpenVINO deadlock after fork(): the child has none of their threads.

Code that runs a network calls :func:`enter_network` first, which raises in a child forked after its parent
ran one. Everything else, such as cached features and linear heads, works in the child.
"""

from __future__ import annotations

import os
import sys

from transferkit.errors import EngineError

_started = False  # this process has run a network
_inherited = False  # an ancestor had run one when it forked
_forked = False


def enter_network() -> None:
    """Record that this process runs a network; raise EngineError if that would hang."""
    global _started
    if _inherited:
        raise EngineError(
            "This process was forked from one that had already run a network, and TensorFlow and OpenVINO "
            "hang after a fork. Start processes with multiprocessing.get_context('spawn') or joblib's "
            "default backend (n_jobs= in scikit-learn), or extract the features before forking: cached "
            "features and linear heads need no network.",
            name="fork",
        )
    _started = True


def was_forked() -> bool:
    """Return True in a forked child, where the threads of OpenMP may hang, too."""
    return _forked


def _in_child() -> None:
    global _started, _inherited, _forked
    _forked = True
    # User code may have started TensorFlow: its context is initialised on first use.
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    _inherited = _inherited or _started or bool(getattr(context, "_initialized", False))
    _started = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
