"""Nearest images: which features find images of the same class, and what the approximate search misses.

    python benchmarks/neighbours.py --data DATA --weights WEIGHTS [--only classes copies search]

DATA has cats_dogs/{cat,dog} and gender/train/{man,woman}; WEIGHTS has mobilenet.weights.h5 and
mobilenet_v2.weights.h5. "classes" is the share of the five nearest that are of the query's class, each image
against all others; "copies" compares distances of images that were saved or resized again with those of
different images; "search" counts what of the true five nearest of 150,000 vectors is found, and the time.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import NearestImages, get_backbone, set_config
from transferkit.datasets import read_image_folder
from transferkit.neighbours._search import Search

SETS = ("cats_dogs", "gender/train")
K = 5


def settings(backbone: str) -> dict[str, dict[str, object]]:
    middle = get_backbone(backbone).layers
    return {
        "last layer, mean (the default)": {},
        "last layer, mean, euclidean": {"metric": "euclidean"},
        "last layer, 2 x 2 means": {"grid": 2},
        "last layer, whole": {"grid": "full"},
        **{f"{layer}, mean": {"layers": [layer]} for layer in middle[:-1]},
        f"{middle[1]}, 4 x 4 means": {"layers": [middle[1]], "grid": 4},
        "all four layers, means": {"layers": "auto"},
        "last two layers, means": {"layers": list(middle[-2:])},
    }


def same_class(paths, labels, **parameters) -> float:
    nearest = NearestImages(**parameters).fit(paths)
    found = nearest.query(k=K)
    return float(np.mean(labels[found.indices] == labels[found.rows][:, None]))


def compare_settings(data: Path, weights: Path) -> None:
    sets = {name: read_image_folder(data / name) for name in SETS}
    for backbone in ("mobilenet", "mobilenet_v2"):
        print(f"\n{backbone:34}" + "".join(f"{name:>14}" for name in SETS))
        for name, parameters in settings(backbone).items():
            shares = [
                same_class(
                    list(paths), np.asarray(labels), backbone=backbone,
                    weights=weights / f"{backbone}.weights.h5", **parameters,
                )
                for paths, labels in sets.values()
            ]  # fmt: skip
            print(f"{name:34}" + "".join(f"{share:14.1%}" for share in shares), flush=True)


def saved_again(path: Path, *, quality: int = 90, scale: float = 1.0) -> bytes:
    picture = Image.open(path).convert("RGB")
    if scale != 1:
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def compare_copies(data: Path, weights: Path) -> None:
    paths = list(read_image_folder(data / "cats_dogs").paths)
    nearest = NearestImages(weights=weights / "mobilenet.weights.h5").fit(paths)
    others = nearest.query(k=1).distances[:, 0]
    print("\ncosine distance (MobileNet)           median     95 %      99 %      most")
    kinds = {
        "JPEG quality 90": {},
        "JPEG quality 50": {"quality": 50},
        "half the size": {"scale": 0.5},
    }
    for name, how in kinds.items():
        chosen = paths[::4]
        found = nearest.query([saved_again(path, **how) for path in chosen], k=1)
        right = found.indices[:, 0] == np.arange(len(paths))[::4]
        row = np.percentile(found.distances[right, 0], [50, 95, 99, 100])
        figures = "".join(f"{x:10.4f}" for x in row)
        print(f"{name:34}" + figures + f"   right first: {right.mean():.1%}")
    row = np.percentile(others, [50, 5, 1, 0])
    print(f"{'nearest other (50, 5, 1, 0 %)':34}" + "".join(f"{x:10.4f}" for x in row))


def nothing(found: np.ndarray) -> np.ndarray:
    return np.zeros(found.shape, bool)


def many_vectors(data: Path, weights: Path, n: int) -> np.ndarray:
    """Return mixtures of the features of neighbouring images, with noise: there are fewer images here."""
    file = weights / "mobilenet.weights.h5"
    folders = [list(read_image_folder(data / name).paths) for name in SETS]
    vectors = np.concatenate([NearestImages(weights=file).fit(paths).vectors_ for paths in folders])
    rng = np.random.default_rng(0)
    near, _ = Search(vectors, "cosine", "exact").nearest(vectors, 20, nothing, 0)
    first, share = rng.integers(len(vectors), size=n), rng.beta(0.4, 0.4, size=(n, 1)).astype(np.float32)
    second = near[first, rng.integers(20, size=n)]
    noise = rng.lognormal(0, 0.3, size=(n, vectors.shape[1])).astype(np.float32)
    return (share * vectors[first] + (1 - share) * vectors[second]) * noise


def compare_search(data: Path, weights: Path, n: int = 150_000, n_queries: int = 1000) -> None:
    vectors = many_vectors(data, weights, n + n_queries)
    queries, vectors = vectors[:n_queries], vectors[n_queries:]
    answers = []
    for method in ("exact", "approximate"):
        times = [time.perf_counter()]
        search = Search(vectors, "cosine", method)
        times.append(time.perf_counter())
        answers.append(search.nearest(queries, K, nothing, 0)[0])
        times.append(time.perf_counter())
        search.nearest(queries[:1], K, nothing, 0)
        times.append(time.perf_counter())
        built, all_of_them, one = np.diff(times)
        print(f"{method:12} built in {built:.1f} s, {n_queries} queries {all_of_them:.2f} s, one {one:.3f} s")
    found = [len(set(a) & set(b)) for a, b in zip(*(answer.tolist() for answer in answers), strict=True)]
    print(f"the approximate search found {np.mean(found) / K:.2%} of the {K} nearest of {n:,}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=["classes", "copies", "search"])
    parser.add_argument("--cache", default=True, help="folder of the cache; by default the usual one")
    options = parser.parse_args()
    set_config(progress=False, cache=options.cache)
    work = {"classes": compare_settings, "copies": compare_copies, "search": compare_search}
    for name in options.only:
        work[name](options.data, options.weights)


if __name__ == "__main__":
    main()
