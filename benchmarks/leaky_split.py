"""How much better keypoints look when the same people are in the test: a random split against one by people.

    python benchmarks/leaky_split.py --data DATA --weights WEIGHTS [--faces 1000] [--seeds 2] [--head linear]

DATA has keypoints/{training,test} with *_frames_keypoints.csv beside them (Firstname_Lastname_NN.jpg: the
person is the group). All frames are pooled. Each seed takes as many to train on and 300 to test, once
at random, and once so that nobody is in both. Errors are in % of the distance of the outer eye
corners, with 95 % intervals over people.
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
from transferkit.metrics import keypoint_figures, normalized_mean_error

N_TEST = 300


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=2)
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
            splits = {
                "random": (order[N_TEST:], order[:N_TEST]),
                "by people": (order[~held], order[held][:N_TEST]),
            }
            for name, (train, test) in splits.items():
                train = train[: options.faces]
                kp = KeypointRegressor(
                    weights=options.weights / "mobilenet.weights.h5",
                    head=options.head,
                    extractor=FeatureExtractor(cache=cache),
                )
                kp.fit([paths[i] for i in train], points[train], groups=people[train])
                found = kp.predict([paths[i] for i in test])
                errors = normalized_mean_error(points[test], found, per_image=True)
                nme = keypoint_figures(errors, groups=people[test])["nme"]
                shared = np.isin(people[test], people[train]).mean()
                print(
                    f"seed {seed}, {name:9}: {len(train)} to train on, {len(test)} tested, of whom "
                    f"{shared:4.0%} are people to train on: {100 * nme.value:.2f} % "
                    f"({100 * nme.low:.2f} to {100 * nme.high:.2f})", flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    main()
