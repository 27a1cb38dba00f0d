"""Cheap properties of each image: facts of its file, its light, and a small grey rendering.

Files are read and decoded once more in threads, JPEGs at reduced size. That takes a small part of the time of
a backbone, so the results are not cached.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._alignment import SIDE
from transferkit.errors import BadImageError
from transferkit.foundation.cores import usable_cores
from transferkit.foundation.progress import progress_bar
from transferkit.foundation.scratch import scratch
from transferkit.images import Reader, Target, file_facts, resize_image

# Light is measured on a square of this side, so that it does not depend on the number of pixels.
_LIGHT_SIDE = 128
_BORDER = 6  # pixels of that square
_WEIGHTS = np.array([299, 587, 114], np.float32) / 1000  # ITU-R BT.601, as Pillow's mode "L"

# Facts that have nothing to do with the subject, and those that may belong to it. Bytes per pixel are of the
# latter, as noise and fine structure compress badly in any file.
FILE_NUMBERS = ("width", "height", "aspect", "quality")
LIGHT_NUMBERS = ("bytes_per_pixel", "brightness", "contrast", "saturation", "border", "sharpness")
WORDS = ("format", "mode")


@dataclass(frozen=True)
class Looks:
    """Facts of n images.

    Attributes
    ----------
    numbers : dict of str to ndarray of float64, shape (n,)
        ``width``, ``height`` in pixels; ``aspect``, width / height; ``bytes_per_pixel`` of the file;
        ``quality`` of a JPEG; on a square of 128 pixels ``brightness``, the mean grey level, ``contrast``,
        its standard deviation, ``saturation``, the mean distance of the largest and the smallest channel, and
        ``border``, the brightness of the margin, all in 0..255, and ``sharpness``, the variance of the
        Laplacian over that of the grey levels. NaN where unknown.
    words : dict of str to ndarray of str, shape (n,)
        ``format`` and ``mode``.
    renderings : ndarray of uint8, shape (n, 64, 64)
        Grey pictures, stretched to a square.
    digests : list of str or None
        Digests of the content; None for images that could not be read.
    failures : dict of int to BadImageError
        Images that could not be read, by row.
    """

    numbers: dict[str, NDArray[np.float64]]
    words: dict[str, NDArray[np.str_]]
    renderings: NDArray[np.uint8]
    digests: list[str | None]
    failures: dict[int, BadImageError]


def look(items: Sequence[Any], reader: Reader, *, progress: bool) -> Looks:
    """Look at each image once; images that cannot be read are among the failures."""
    n = len(items)
    numbers = {name: np.full(n, math.nan) for name in (*FILE_NUMBERS, *LIGHT_NUMBERS)}
    words: dict[str, list[str]] = {name: [""] * n for name in WORDS}
    renderings = scratch((n, SIDE, SIDE), np.uint8)
    digests: list[str | None] = [None] * n
    failures: dict[int, BadImageError] = {}
    with progress_bar(n, "files", "img", show=progress) as bar:
        for row, seen in enumerate(_seen(items, reader)):
            bar.update(1)
            if isinstance(seen, BadImageError):
                failures[row], renderings[row] = seen, 0
                continue
            digests[row], found, texts, renderings[row] = seen
            for name, value in found.items():
                numbers[name][row] = value
            for name, word in texts.items():
                words[name][row] = word
    word_arrays = {name: np.array(found) for name, found in words.items()}
    return Looks(numbers, word_arrays, renderings, digests, failures)


def _seen(items: Sequence[Any], reader: Reader) -> Iterator[Any]:
    """Yield the properties of each image in order, reading a bounded number of images ahead."""
    n_threads = usable_cores()
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(n_threads, thread_name_prefix="transferkit-look") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(_look_at, item, reader))
                if len(waiting) > 8 * n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _look_at(item: Any, reader: Reader) -> Any:
    """Return digest, numbers, words and rendering of an image, or the error if it cannot be read."""
    try:
        source = reader.source(item)
        facts = file_facts(source, isolate=reader.isolate is not None)
        image = reader.decode(source, Target(_LIGHT_SIDE))
    except BadImageError as error:
        return error
    pixels = _square(image)
    width, height = image.size
    numbers = {
        "width": width,
        "height": height,
        "aspect": width / height,
        "bytes_per_pixel": math.nan if facts.n_bytes is None else facts.n_bytes / (width * height),
        "quality": math.nan if facts.quality is None else facts.quality,
        **_light(pixels),
    }
    return source.digest, numbers, {"format": facts.format, "mode": facts.mode}, _grey(pixels)


def render(item: Any, reader: Reader) -> NDArray[np.uint8]:
    """Return the grey rendering (64, 64) of an image; black if it can no longer be read."""
    try:
        image = reader.load(item, Target(_LIGHT_SIDE))
    except BadImageError:
        return np.zeros((SIDE, SIDE), np.uint8)
    return _grey(_square(image))


def _square(image: Any) -> NDArray[np.uint8]:
    return resize_image(image.pixels, _LIGHT_SIDE, original=image.size, box=image.box)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    step = _LIGHT_SIDE // SIDE
    grey = (pixels @ _WEIGHTS).reshape(SIDE, step, SIDE, step).mean(axis=(1, 3))
    return np.rint(grey).astype(np.uint8)


def load_pixels(item: Any, reader: Reader) -> NDArray[np.uint8]:
    """Return all pixels of an image, (height, width, 3); none if it can no longer be read."""
    try:
        return reader.load(item).pixels
    except BadImageError:
        return np.zeros((0, 0, 3), np.uint8)


def _light(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Return brightness, contrast and so on, measured on a square of pixels."""
    grey = pixels @ _WEIGHTS
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    edge = np.ones(grey.shape, bool)
    edge[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    variance = float(grey.var())
    return {
        "brightness": float(grey.mean()),
        "contrast": math.sqrt(variance),
        "saturation": float(np.ptp(pixels, axis=2).mean()),
        "border": float(grey[edge].mean()),
        "sharpness": float(laplacian.var()) / variance if variance > 1 else math.nan,
    }
