"""How much better keypoints look when the same people are in the test: a random split against one by people.

    python benchmarks/leaky_split.py --data DATA --weights WEIGHTS [--faces 500] [--seeds 3] [--head linear]

DATA has keypoints/{training,test} with *_frames_keypoints.csv beside them (Firstname_Lastname_NN.jpg: the
person is the group). All frames are pooled. Each seed tests the same 300 frames twice: after training on
frames drawn from all others, as a random split does, and on as many of other people only. Errors are in % of
the distance of the outer eye corners, with 95 % intervals over people; so is the paired difference.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import FeatureExtractor, KeypointRegressor, set_config
from transferkit.cache import FeatureCache
from transferkit.datasets import read_keypoints_csv
from transferkit.metrics import normalized_mean_error

N_TEST = 300


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--head", default="linear")
    options = parser.parse_args()
    set_config(progress=False)
    files = [options.data / "keypoints" / f"{part}_frames_keypoints.csv" for part in ("training", "test")]
    tables = [read_keypoints_csv(file) for file in files]
    paths = [path for table in tables for path in table.paths]
    points = np.concatenate([table.keypoints for table in tables])
    people = np.array([path.stem.rsplit("_", 1)[0] for path in paths])
    print(f"{len(paths)} frames of {len(np.unique(people))} people", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(folder)
        for seed in range(options.seeds):
            generator = np.random.default_rng(seed)
            order = generator.permutation(len(paths))
            names = generator.permutation(np.unique(people))
            held = np.isin(people[order], names[: len(names) // 4])
            test = order[held][:N_TEST]
            rest = generator.permutation(order[~np.isin(order, test)])
            parts = {"random": rest, "by people": order[~held]}
            errors = {}
            for name, part in parts.items():
                train = part[: options.faces]
                kp = KeypointRegressor(
                    weights=options.weights / "mobilenet.weights.h5",
                    head=options.head,
                    extractor=FeatureExtractor(cache=cache),
                )
                kp.fit([paths[i] for i in train], points[train], groups=people[train])
                found = kp.predict([paths[i] for i in test])
                errors[name] = normalized_mean_error(points[test], found, per_image=True)
                shared = np.isin(people[test], people[train]).mean()
                print(
                    f"seed {seed}, {name:9}: {len(train)} to train on, {len(test)} tested, {shared:4.0%} of "
                    f"them of people to train on: {interval(errors[name], people[test])}", flush=True,
                )  # fmt: skip
            more = errors["by people"] - errors["random"]
            print(f"seed {seed}, difference: {interval(more, people[test])}", flush=True)


def interval(errors: np.ndarray, people: np.ndarray) -> str:
    """Mean in percent, with its interval over people, who are drawn anew 1,000 times."""
    generator = np.random.default_rng(0)
    _, person = np.unique(people, return_inverse=True)
    drawn = generator.multinomial(person.max() + 1, np.full(person.max() + 1, 1 / (person.max() + 1)), 1000)
    means = drawn[:, person] @ errors / drawn[:, person].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{100 * errors.mean():.2f} % ({100 * low:.2f} to {100 * high:.2f})"


if __name__ == "__main__":
    main()
