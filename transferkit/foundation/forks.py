"""TensorFlow and OpenVINO do not survive a fork: their threads stay behind, and the child waits for ever.

So what runs a network passes through :func:`enter_network` first, which raises at once in a child that was
forked after its parent had run one. Everything else works in such a child: cached features, linear heads.
"""

from __future__ import annotations

import os
import sys

from transferkit.errors import EngineError

_started = False  # this process has run a network
_inherited = False  # a process that this one was forked from had


def enter_network() -> None:
    """Note that this process runs a network; raise EngineError where it would hang."""
    global _started
    if _inherited:
        raise EngineError(
            "This process was forked from one that had run a network already, and TensorFlow and OpenVINO "
            "hang in such a child. Start processes by multiprocessing.get_context('spawn'), or by joblib's "
            "default backend (n_jobs= in scikit-learn); or extract the features before forking: those in "
            "the cache, and linear heads, need no network.",
            name="fork",
        )
    _started = True


def _in_child() -> None:
    global _started, _inherited
    # Whether the user's own code has started TensorFlow: its context is made on first use.
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    _inherited = _inherited or _started or bool(getattr(context, "_initialized", False))
    _started = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
