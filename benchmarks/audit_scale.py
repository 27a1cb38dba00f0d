"""How an audit grows: time and memory of its checks on made features and renderings.

    python benchmarks/audit_scale.py [--rows 50000] [--channels 1024]

Features are mixtures of 300 centres with noise, of ten classes; renderings are smoothed noise, and one in a
hundred images is a lighter copy of another. Looking at files and running the backbone are not in it: they
take the same time for each image; the last line has that of a look at a file of 500 x 375 pixels.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from transferkit import Classifier, set_config
from transferkit.auditing._data import Data
from transferkit.auditing._duplicates import near_pairs
from transferkit.auditing._evidence import Evidence
from transferkit.auditing._labels import check_labels, held_out_probabilities
from transferkit.auditing._looks import FILE_NUMBERS, LIGHT_NUMBERS, WORDS, Looks, Reading, look
from transferkit.auditing._outliers import check_outliers
from transferkit.auditing._repeats import check_within
from transferkit.auditing._series import guess
from transferkit.auditing._shortcut import probe_shortcut
from transferkit.foundation.scratch import memory_limit
from transferkit.images import EVERYTHING

CLASSES = 10


def made_renderings(n: int, copies: np.ndarray, originals: np.ndarray, rng) -> np.ndarray:
    out = np.empty((n, 64, 64), np.uint8)
    for i in range(0, n, 2000):
        noise = rng.normal(size=(min(2000, n - i), 64, 64)).astype(np.float32)
        smooth = 4 * gaussian_filter(noise, (0, 6, 6)) + gaussian_filter(noise, (0, 1, 1))
        out[i : i + 2000] = np.clip(128 + 90 * smooth, 0, 255)
    out[copies] = np.clip(out[originals].astype(int) * 9 // 10 + 20, 0, 255)
    return out


def timed(name: str, work: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{name:34}{time.perf_counter() - started:8.1f} s   peak {peak:.2f} GB", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--channels", type=int, default=1024)
    options = parser.parse_args()
    n, rng = options.rows, np.random.default_rng(0)
    set_config(progress=False, cache=False)
    centres = rng.normal(size=(300, options.channels)).astype(np.float32)
    which = rng.integers(300, size=n)
    vectors = centres[which] + 2 * rng.normal(size=(n, options.channels)).astype(np.float32)
    copies = rng.permutation(n)[: n // 100]
    originals = (copies + n // 2) % n
    vectors[copies] = vectors[originals] + 0.1
    labels = (which % CLASSES).tolist()
    paths = [f"p/{i // 4:06}_{i % 4}.jpg" for i in range(n)]
    numbers = {name: rng.normal(size=n) for name in (*FILE_NUMBERS, *LIGHT_NUMBERS)}
    words = {name: np.array(["JPEG"] * n) for name in WORDS}
    renderings = timed("(made)", lambda: made_renderings(n, copies, originals, rng))
    looks = Looks(numbers, words, renderings, [str(i) for i in range(n)], {})
    rows = np.arange(n)
    pairs = timed("near duplicates", lambda: near_pairs(renderings, vectors, rows, n))
    made = {tuple(sorted(pair)) for pair in zip(copies.tolist(), originals.tolist(), strict=True)}
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    print(f"  found {len(found & made)} of {len(made)} made, {len(found - made)} others")
    data = Data(paths, n, "classes", labels, None, paths)
    seen = Evidence(data, looks, {}, vectors, rows, pairs, None, 224, 0, 0.95, rows)
    timed("check of near duplicates", lambda: check_within(seen))
    timed("series", lambda: guess(seen))
    timed("outliers", lambda: check_outliers(seen))
    timed("shortcut", lambda: probe_shortcut(seen))
    with memory_limit(2e9):
        learned = Evidence(
            Data(list(vectors), n, "classes", labels, None, paths), looks, {}, vectors, rows, pairs,
            Classifier("precomputed", head="linear"), 224, 0, 0.95, rows,
        )  # fmt: skip
        probabilities = timed("held-out probabilities", lambda: held_out_probabilities(learned))
    object.__setattr__(seen, "probabilities", probabilities)
    timed("labels", lambda: check_labels(seen))
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i in range(200):
            noise = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
            files.append(Path(folder) / f"{i}.jpg")
            Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(files[-1], quality=90)
        started = time.perf_counter()
        look(files, Reading(EVERYTHING, None, {}, None, False))
        print(f"a look at a file: {(time.perf_counter() - started) / len(files) * 1000:.1f} ms")


if __name__ == "__main__":
    main()
