"""Which images to label next: accuracy by the number of labels, when they are asked for in three ways.

    python benchmarks/active_learning.py --data DATA --weights WEIGHTS [--seeds 5]

DATA has gender/{train,val} and cats_dogs; WEIGHTS has mobilenet.weights.h5. A classifier starts with 20
random labels, and is given 20 more in each round: of random images; of those that it is least sure of (the
smallest margin); or of those that ``next_to_label`` returns. Accuracy is that on images which are never asked
for: all of gender/val, and 240 of cats_dogs, drawn anew for each seed.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import Classifier, next_to_label, set_config
from transferkit.datasets import read_image_folder

ROUND = 20
FIRST_SEED = 10  # the method was chosen on seeds 0 to 2


def at_random(model: Classifier, pool: list[Path], rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(len(pool))[:ROUND]


def unsure(model: Classifier, pool: list[Path], rng: np.random.Generator) -> np.ndarray:
    two = np.sort(model.predict_proba(pool), axis=1)[:, -2:]
    return np.argsort(two[:, 1] - two[:, 0], kind="stable")[:ROUND]


def suggested(model: Classifier, pool: list[Path], rng: np.random.Generator) -> np.ndarray:
    return next_to_label(model, pool, ROUND).indices


WAYS = {"random": at_random, "least sure": unsure, "next_to_label": suggested}


def split(data: Path, name: str, rng: np.random.Generator) -> tuple[list, np.ndarray, list, np.ndarray]:
    """Return images to ask for and their labels, and those of the test."""
    if name == "gender":
        train, test = (read_image_folder(data / "gender" / part) for part in ("train", "val"))
        return train.paths, train.labels, test.paths, test.labels
    paths, labels = read_image_folder(data / name)
    order = rng.permutation(len(paths))
    pool, test = order[240:], order[:240]
    return [paths[i] for i in pool], labels[pool], [paths[i] for i in test], labels[test]


def curve(way, weights: Path, data: Path, name: str, seed: int, rounds: int) -> list[float]:
    rng = np.random.default_rng(seed)
    paths, labels, paths_test, labels_test = split(data, name, rng)
    order = rng.permutation(len(paths))
    known, rest = order[:ROUND], order[ROUND:]
    found = []
    for i in range(rounds + 1):
        model = Classifier(weights=weights).fit([paths[row] for row in known], labels[known])
        found.append(model.score(paths_test, labels_test))
        if i < rounds:
            asked = way(model, [paths[row] for row in rest], rng)
            known, rest = np.r_[known, rest[asked]], np.delete(rest, asked)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--cache", default=True, help="folder of the cache; by default the usual one")
    options = parser.parse_args()
    set_config(progress=False, cache=options.cache)
    weights = options.weights / "mobilenet.weights.h5"
    for name in ("cats_dogs", "gender"):
        numbers = "".join(f"{ROUND * (i + 1):7}" for i in range(options.rounds + 1))
        print(f"\n{name}, accuracy in % by labels\n{'':15}{numbers}   mean of the rounds (of each seed)")
        for way, ask in WAYS.items():
            seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
            curves = 100 * np.array(
                [curve(ask, weights, options.data, name, s, options.rounds) for s in seeds]
            )
            means = curves[:, 1:].mean(axis=1)
            each = ", ".join(f"{mean:.1f}" for mean in means)
            line = "".join(f"{value:7.1f}" for value in curves.mean(axis=0))
            print(f"{way:15}{line}   {means.mean():.2f} ({each})", flush=True)


if __name__ == "__main__":
    main()
