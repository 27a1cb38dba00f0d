"""Decoding and resizing an image by Pillow, and by libraries that might be faster; do the pixels agree?

    pip install simplejpeg opencv-python-headless pyvips pyvips-binary
    python benchmarks/decoders.py [--images FOLDER] [--count 200] [--repeats 5]

Each step runs on one thread, on the same JPEGs from memory. Without a folder, smooth pictures are drawn (seed
0). Every size is a set of its own: pictures are scaled to it and saved at quality 90. "draft" is libjpeg's
decoding at 1/2, 1/4 or 1/8 of the size, as transferkit does where that leaves the square smaller. Differences
are of 255, from Pillow: of the whole image for decoding, of the square of 224 pixels for both steps together.
A library that is not installed is left out.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 224
SIZES = ((200, 200), (640, 480), (4000, 3000))
Step = Callable[[Any], Any]


def pictures(folder: Path | None, count: int) -> list[Image.Image]:
    if folder is not None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        return [Image.open(path).convert("RGB") for path in paths[:: max(1, len(paths) // count)][:count]]
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (count, 24, 24, 3), dtype=np.uint8)
    return [Image.fromarray(one).resize((200, 200), Image.Resampling.BICUBIC) for one in small]


def reduction(width: int, height: int) -> int:
    """Return by how much transferkit lets libjpeg reduce an image whose square is not cropped."""
    return max(n for n in (1, 2, 4, 8) if n == 1 or min(width, height) // n >= SIDE)


def pillow(data: bytes, scale: int = 1) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    if scale > 1:
        image.draft(None, (image.width // scale, image.height // scale))
    image.load()
    return image


def pillow_square(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def ways() -> dict[str, tuple[Callable[[bytes, int], Any], Step, Step]]:
    """Return for each library how it decodes, how it resizes, and how its result becomes an array."""
    found: dict[str, tuple[Callable[[bytes, int], Any], Step, Step]] = {
        "Pillow": (lambda data, scale: pillow(data), pillow_square, np.asarray),
        "Pillow, draft": (pillow, pillow_square, np.asarray),
    }
    try:
        import simplejpeg

        def decode(data: bytes, scale: int) -> np.ndarray:
            return simplejpeg.decode_jpeg(data, colorspace="RGB", min_height=SIDE, min_width=SIDE)

        found["simplejpeg, draft; Pillow resizes"] = (
            decode,
            lambda array: pillow_square(Image.fromarray(array)),
            np.asarray,
        )
    except ImportError:
        pass
    try:
        import cv2

        cv2.setNumThreads(1)
        flags = {
            2: cv2.IMREAD_REDUCED_COLOR_2,
            4: cv2.IMREAD_REDUCED_COLOR_4,
            8: cv2.IMREAD_REDUCED_COLOR_8,
        }

        def decode_cv(data: bytes, scale: int) -> np.ndarray:
            buffer = np.frombuffer(data, np.uint8)
            return cv2.cvtColor(cv2.imdecode(buffer, flags.get(scale, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)

        for name, kind in (("area", cv2.INTER_AREA), ("linear", cv2.INTER_LINEAR)):
            found[f"OpenCV, draft, {name}"] = (
                decode_cv,
                lambda array, kind=kind: cv2.resize(array, (SIDE, SIDE), interpolation=kind),
                np.asarray,
            )
    except ImportError:
        pass
    try:
        import pyvips

        pyvips.cache_set_max(0)

        def decode_vips(data: bytes, scale: int) -> Any:
            return pyvips.Image.jpegload_buffer(data, shrink=scale).copy_memory()

        def resize_vips(image: Any) -> np.ndarray:
            scaled = image.resize(SIDE / image.width, vscale=SIDE / image.height, kernel="linear")
            return scaled.numpy()

        found["pyvips, draft"] = (decode_vips, resize_vips, lambda image: image.numpy())
    except (ImportError, OSError):
        pass
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    originals = pictures(arguments.images, arguments.count)
    for size in SIZES:
        files = []
        for picture in originals[: max(1, arguments.count * 40_000 // (size[0] * size[1])) + 4]:
            file = io.BytesIO()
            picture.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
            files.append(file.getvalue())
        scale = reduction(*size)
        wholes = [np.asarray(pillow(data)).astype(int) for data in files]
        squares = [pillow_square(pillow(data)).astype(int) for data in files]
        print(f"\n{size[0]} x {size[1]}, {len(files)} images, reduced by {scale}")
        print(f"{'':36}{'decode ms':>10}{'resize ms':>10}{'whole, most':>12}{'square, mean':>13}{'most':>6}")
        times: dict[str, list[tuple[float, float]]] = {}
        for _ in range(arguments.repeats):  # interleaved: a noisy machine is noisy for all
            for name, (decode, resize, _) in ways().items():
                started = time.perf_counter()
                decoded = [decode(data, scale) for data in files]
                between = time.perf_counter()
                for image in decoded:
                    resize(image)
                done = time.perf_counter()
                times.setdefault(name, []).append((between - started, done - between))
        for name, (decode, resize, array) in ways().items():
            decoded = [decode(data, scale) for data in files]
            arrays = [array(image).astype(int) for image in decoded]
            same = all(one.shape == whole.shape for one, whole in zip(arrays, wholes, strict=True))
            gap = max(np.abs(a - b).max() for a, b in zip(arrays, wholes, strict=True)) if same else None
            gaps = [
                np.abs(resize(image).astype(int) - square)
                for image, square in zip(decoded, squares, strict=True)
            ]
            each = [statistics.median(part) * 1e3 / len(files) for part in zip(*times[name], strict=True)]
            print(
                f"{name:36}{each[0]:10.3f}{each[1]:10.3f}{'' if gap is None else gap:>12}"
                f"{np.mean([one.mean() for one in gaps]):13.2f}{max(one.max() for one in gaps):6}"
            )


if __name__ == "__main__":
    main()
