"""Time and peak memory of extraction from 1,000 to 100,000 files, and a cache of 1,000,000 rows.

    python benchmarks/scale.py [--images 1000 10000 100000] [--rows 1000000]

Files are JPEGs of 64 x 64 pixels, drawn (seed 0) and all different; the backbone is a network of two
convolutions with random weights (seed 0), so that everything around it is what is measured; it is built and
run once before the clock starts. Each size has a process of its own, and its peak is the operating system's
figure for it. "again" is a second extraction, in another process, that finds every file in the index and
every row in the cache. Rows of the large cache are one layer of 16 values; look-ups are of 1 and of 1,000
random images, with their activations, in a new process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SIZE, ROW_VALUES, LOOKED_UP = 48, 16, 1000


def constructor(include_top, weights, input_shape):
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.Input(input_shape)]
    layers += [keras.layers.Conv2D(16, 3, strides=4, activation="relu") for _ in range(2)]
    return keras.Sequential(layers)


def preprocess(pixels):
    return pixels / 255.0


def draw(folder: Path, n: int) -> None:
    """Write n small files, a thousand to a folder."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for i in range(n):
        path = folder / f"{i // 1000:04}" / f"{i:06}.jpg"
        path.parent.mkdir(exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(path, quality=85)


def extract(folder: str, n: str) -> dict[str, float]:
    from transferkit import FeatureExtractor, register_backbone

    register_backbone(
        "two_convolutions", constructor, preprocess, min_size=SIZE, image_size=SIZE, pretrained=False
    )
    paths = sorted(Path(folder).rglob("*.jpg"))[: int(n)]
    extractor = FeatureExtractor("two_convolutions", weights=None, progress=False)
    extractor.extract([bytes(Path(paths[0]).read_bytes() + b"warm") for _ in range(9)])
    started = time.perf_counter()
    report = extractor.extract(paths).report
    return {
        "seconds": time.perf_counter() - started,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "decoded": report.n_decoded,
        "cached": report.n_cached,
    }


def digest(i: int) -> str:
    return f"{i * 0x9E3779B97F4A7C15 % 2**256:064x}"  # spread, as digests are


def fill(folder: str, n: str) -> dict[str, float]:
    import numpy as np

    from transferkit.cache import FeatureCache, RowKey

    space = FeatureCache(folder).space({"benchmark": "rows"})
    values = np.random.default_rng(0).random((1000, ROW_VALUES), dtype=np.float32)
    started = time.perf_counter()
    for start in range(0, int(n), 1000):
        space.write([(RowKey(digest(start + i), "original"), "layer", values[i]) for i in range(1000)])
    return {"seconds": time.perf_counter() - started}


def look_up(folder: str, n: str) -> dict[str, float]:
    import numpy as np

    from transferkit.cache import FeatureCache, RowKey

    chosen = np.random.default_rng(1).integers(0, int(n), LOOKED_UP).tolist()
    keys = [RowKey(digest(i), "original") for i in chosen]
    started = time.perf_counter()
    space = FeatureCache(folder).space({"benchmark": "rows"})
    space.find(keys[:1], ["layer"])
    opened = time.perf_counter() - started
    single = []
    for key in keys:
        started = time.perf_counter()
        assert len(space.read([key], ["layer"])) == 1
        single.append(time.perf_counter() - started)
    started = time.perf_counter()
    assert len(space.read(keys, ["layer"])) == len(set(keys))
    many = time.perf_counter() - started
    return {
        "open_ms": opened * 1e3,
        "one_ms": statistics.median(single) * 1e3,
        "slowest_ms": max(single) * 1e3,
        "each_of_many_ms": many * 1e3 / len(keys),
    }


TASKS = {task.__name__: task for task in (extract, fill, look_up)}


def in_new_process(task: str, folder: Path, n: int, cache: Path) -> dict[str, float]:
    environment = os.environ | {"TRANSFERKIT_CACHE": str(cache)}
    command = [sys.executable, __file__, "--task", task, str(folder), str(n)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", nargs="+", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        task, *arguments = options.task
        print(json.dumps(TASKS[task](*arguments)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "images").mkdir()
        draw(folder / "images", max(options.images))
        print(
            f"{os.cpu_count()} cores\n{'images':>9} {'seconds':>9} {'ms each':>8} {'peak MB':>8} {'again':>8}"
        )
        for n in sorted(options.images):
            cache = folder / f"cache-{n}"
            first = in_new_process("extract", folder / "images", n, cache)
            again = in_new_process("extract", folder / "images", n, cache)
            assert (first["decoded"], again["cached"]) == (n, n), (first, again)
            print(
                f"{n:9,} {first['seconds']:9.1f} {1e3 * first['seconds'] / n:8.2f} {first['peak']:8.0f} "
                f"{again['seconds']:7.1f}s",
                flush=True,
            )
        rows = folder / "rows"
        filled = in_new_process("fill", rows, options.rows, rows)
        size = sum(path.stat().st_size for path in rows.rglob("*.sqlite*")) / 2**20
        found = in_new_process("look_up", rows, options.rows, rows)
        print(f"\ncache of {options.rows:,} rows, {size:.0f} MB, filled in {filled['seconds']:.0f} s")
        print(f"  open and first look-up  {found['open_ms']:8.2f} ms")
        print(f"  one row                 {found['one_ms']:8.2f} ms, slowest {found['slowest_ms']:.2f} ms")
        print(f"  each of {LOOKED_UP:,} at once    {found['each_of_many_ms']:8.3f} ms")


if __name__ == "__main__":
    main()
