"""The helper process of ``isolate=True``: it reads encoded bytes and writes pixels.

A message is JSON followed by raw bytes, each preceded by its length; neither side executes what it receives.
The process exits when its input is closed, so it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import signal
import struct
from typing import IO, Any

import numpy as np
from PIL import ImageFile

from transferkit.errors import BadImageError
from transferkit.images._decode import decode_bytes
from transferkit.images._image import Limits
from transferkit.images._selection import Selection
from transferkit.images._target import Target

__all__ = ["receive", "send", "serve"]

_LENGTHS = struct.Struct(">IQ")


def send(stream: IO[bytes], facts: dict[str, Any], data: bytes | memoryview) -> None:
    """Write one message."""
    text = json.dumps(facts).encode()
    stream.write(_LENGTHS.pack(len(text), len(data)))
    stream.write(text)
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes], largest: int) -> tuple[dict[str, Any], bytes]:
    """Read one message; raise EOFError if it is cut short, ValueError if it is malformed."""
    lengths = _read(stream, _LENGTHS.size)
    n_text, n_data = _LENGTHS.unpack(lengths)
    if n_text > 1 << 20 or n_data > largest:
        raise ValueError(f"a message of {n_text} and {n_data} bytes")
    return json.loads(_read(stream, n_text)), _read(stream, n_data)


def serve() -> None:
    """Answer requests until the input is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent decides
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output printed by a decoder must not mix with the pixels
    send(stdout, {"ready": True}, b"")
    while True:
        try:
            facts, data = receive(stdin, 1 << 62)
        except EOFError:
            return
        send(stdout, *_answer(facts, data))


def _answer(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes | memoryview]:
    """Return the answer for one image."""
    ImageFile.LOAD_TRUNCATED_IMAGES = facts["truncated"]
    value_range = None if facts["value_range"] is None else tuple(facts["value_range"])
    try:
        target = None if facts["target"] is None else Target(*facts["target"])
        selection = Selection(*facts["selection"])
        image = decode_bytes(data, facts["name"], value_range, Limits(**facts["limits"]), target, selection)
    except BadImageError as error:
        return {"error": [error.category, error.reason, error.hint]}, b""
    pixels = np.ascontiguousarray(image.pixels)
    described = {"shape": pixels.shape, "notes": image.notes, "size": image.size, "box": image.box}
    return described, pixels.reshape(-1).data


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
