"""Time, memory and disk of an extraction and a fit, from 1,000 to 100,000 files; 1,000,000 rows.

    python benchmarks/scale.py [--images 1000 10000 100000] [--rows 1000000] [--curve CURVE.png]

Files are JPEGs of 64 x 64 pixels, drawn (seed 0) and all different; the backbone is a network of two
convolutions with random weights (seed 0) that ends in 1,024 channels, whose average is kept, so that
everything around it is what is measured; it is built and run once before the clock starts. Each size has a
process of its own, and its peak is that of its own memory, imports included: pages of files that are mapped
into memory, which the operating system may drop, are not counted (Linux; elsewhere they are). "again" is a
second extraction, in another process, that finds every file in the index and every row in the cache; "fit" is
a third process, which trains a linear classifier on them with memory_limit=512e6. "features" is a fit on so
many rows of 256 numbers from a mapped file, backbone="precomputed". Rows of the large cache are one layer of
16 values; look-ups are of 1 and of 1,000 random images, with their activations, in a new process.
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
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SIZE, ROW_VALUES, LOOKED_UP, FEATURES = 48, 16, 1000, 256
MEMORY = 512e6


def constructor(include_top, weights, input_shape):
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.Input(input_shape)]
    layers += [keras.layers.Conv2D(n, 3, strides=4, activation="relu") for n in (16, 1024)]
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


def files_for_network(folder: str, n: str) -> list[Path]:
    from transferkit import register_backbone

    register_backbone(
        "two_convolutions", constructor, preprocess, min_size=SIZE, image_size=SIZE, pretrained=False
    )
    return sorted(Path(folder).rglob("*.jpg"))[: int(n)]


def warm_up(extractor, paths: list[Path]) -> None:
    """Build the network, and run it once."""
    extractor.extract([Path(paths[0]).read_bytes() + b"warm" for _ in range(9)])


class OwnMemory(threading.Thread):
    """The largest memory of this process that lies in no file, in MB, looked at every 10 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.start()

    def run(self) -> None:
        try:
            while True:
                status = Path("/proc/self/status").read_text()
                self.peak = max(self.peak, int(status.split("RssAnon:")[1].split()[0]) / 1024)
                time.sleep(0.01)
        except (OSError, IndexError):
            self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def extract(folder: str, n: str) -> dict[str, float]:
    from transferkit import FeatureExtractor

    paths = files_for_network(folder, n)
    extractor = FeatureExtractor("two_convolutions", weights=None, progress=False)
    warm_up(extractor, paths)
    memory = OwnMemory()
    started = time.perf_counter()
    report = extractor.extract(paths).report
    return {
        "seconds": time.perf_counter() - started,
        "peak": memory.peak,
        "decoded": report.n_decoded,
        "cached": report.n_cached,
    }


def fit(folder: str, n: str) -> dict[str, float]:
    from transferkit import Classifier, FeatureExtractor, config_context

    paths = files_for_network(folder, n)
    warm_up(FeatureExtractor("two_convolutions", weights=None, progress=False), paths)
    classifier = Classifier("two_convolutions", weights=None, head="linear", grid=1, augment=None)
    memory = OwnMemory()
    with config_context(progress=False, memory_limit=MEMORY):
        started = time.perf_counter()
        report = classifier.fit(paths, [i % 2 for i in range(len(paths))]).report_
        taken = time.perf_counter() - started
    return {"seconds": taken, "extraction": report.seconds, "peak": memory.peak, "cached": report.n_cached}


def fit_features(folder: str, n: str) -> dict[str, float]:
    import numpy as np

    from transferkit import Classifier, config_context

    labels = np.random.default_rng(0).integers(0, 2, int(n))
    Path(folder).mkdir()
    path = Path(folder) / "features.npy"
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (int(n), FEATURES))
    for start in range(0, int(n), 10_000):
        block = labels[start : start + 10_000]
        generator = np.random.default_rng(start)
        rows[start : start + len(block)] = generator.normal(size=(len(block), FEATURES)) + block[:, None] / 8
    rows.flush()
    memory = OwnMemory()
    with config_context(progress=False, memory_limit=MEMORY):
        started = time.perf_counter()
        Classifier("precomputed", head="linear").fit(rows, labels)
        return {"seconds": time.perf_counter() - started, "peak": memory.peak}


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


TASKS = {task.__name__: task for task in (extract, fit, fit_features, fill, look_up)}


def in_new_process(task: str, folder: Path, n: int, cache: Path) -> dict[str, float]:
    environment = os.environ | {"TRANSFERKIT_CACHE": str(cache)}
    command = [sys.executable, __file__, "--task", task, str(folder), str(n)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def draw_curve(points: list[tuple], rows: int, features: dict[str, float], path: Path) -> None:
    """Draw what a size costs, against the number of images."""
    from matplotlib.figure import Figure

    n = [point[0] for point in points]
    of_features = f"fit, {FEATURES} features each"
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    time_axes, memory_axes, disk_axes = figure.subplots(1, 3)
    for i, label in enumerate(("first extraction", "again, all known", "fit, all known"), start=1):
        time_axes.loglog(n, [point[i]["seconds"] for point in points], marker="o", label=label)
    time_axes.loglog([rows], [features["seconds"]], marker="D", linestyle="none", label=of_features)
    time_axes.set(ylabel="seconds", ylim=(None, 2e4))  # room for the legend
    for i, label in ((1, "first extraction"), (3, "fit, all known")):
        peaks = [point[i]["peak"] for point in points]
        memory_axes.semilogx(n, peaks, marker="o", color=f"C{i - 1}", label=label)
    memory_axes.semilogx([rows], [features["peak"]], "D", color="C3", label=of_features)
    memory_axes.set(ylabel="peak of own memory (MB)", ylim=(0, None))
    disk_axes.loglog(n, [point[4] / 1e6 for point in points], marker="o", label="1,024 features each")
    disk_axes.set_ylabel("disk (MB)")
    for axes in (time_axes, memory_axes, disk_axes):
        axes.set_xlabel("images")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", nargs="+", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--curve", type=Path, help="draw the table into this file")
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
            f"{os.cpu_count()} cores\n{'images':>9} {'seconds':>9} {'ms each':>8} {'peak MB':>8} "
            f"{'KB each':>8} {'again':>8} {'fit':>8} {'peak MB':>8}"
        )
        points = []
        for n in sorted(options.images):
            cache = folder / f"cache-{n}"
            first = in_new_process("extract", folder / "images", n, cache)
            again = in_new_process("extract", folder / "images", n, cache)
            fitted = in_new_process("fit", folder / "images", n, cache)
            found = first["decoded"], again["cached"], fitted["cached"]
            assert found == (n, n, n), (first, again, fitted)
            size = sum(path.stat().st_size for path in cache.rglob("*.sqlite*"))
            print(
                f"{n:9,} {first['seconds']:9.1f} {1e3 * first['seconds'] / n:8.2f} {first['peak']:8.0f} "
                f"{size / n / 1e3:8.1f} {again['seconds']:7.1f}s {fitted['seconds']:7.1f}s "
                f"{fitted['peak']:8.0f}",
                flush=True,
            )
            points.append((n, first, again, fitted, size))
        features = in_new_process("fit_features", folder / "features", options.rows, folder)
        print(
            f"\nfeatures: a fit on {options.rows:,} rows of {FEATURES} in {features['seconds']:.1f} s, "
            f"{features['peak']:.0f} MB"
        )
        if options.curve:
            draw_curve(points, options.rows, features, options.curve)
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
