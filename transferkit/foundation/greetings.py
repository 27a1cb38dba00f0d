"""Suppress what TensorFlow writes to stderr while it is imported, which none of its settings can silence."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_GREETING = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} \d\d:\d\d:\d\d|To enable the following|"
    rb"E\d{4} .*(cuInit|Unable to register cu|computation_placer)|"
    rb"\d{4}-\d\d-\d\d .*(tensorflow/|external/local_xla)"
)


@contextlib.contextmanager
def without_greetings() -> Iterator[None]:
    """Hold back the process's stderr within a block; at its end, write all lines that are not greetings.

    Does nothing if the user asks for all messages with ``TF_CPP_MIN_LOG_LEVEL=0``.
    """
    try:
        stderr = os.dup(2) if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0" else None
    except OSError:  # stderr is closed
        stderr = None
    if stderr is None:
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            _flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _GREETING.match(line):
                    os.write(2, line)


def _flush() -> None:
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
