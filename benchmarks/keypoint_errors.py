"""How honest the errors are that a keypoint model expects, on images that it has not learned from.

    python benchmarks/keypoint_errors.py --weights WEIGHTS [--frames 25 93] [--seeds 3] [--points 4]
                                         [--data DATA --faces 60 150]

Drawn mice of `datasets.make_bodies`, in parts hidden; with DATA also faces of people held out, as in
`few_faces.py`. "ratio" is the mean expected error over the mean real one, 1 if honest. "rank" is Spearman's
correlation of the two over all points. "worst tenth" is how much of the real error lies in the tenth of
points with the largest expected error; 10 % would be chance.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from transferkit import FeatureExtractor, KeypointRegressor, set_config
from transferkit.datasets import make_bodies, read_keypoints_csv

N_TEST = 150


def main() -> None:
    options = read_options()
    os.environ["TRANSFERKIT_WEIGHTS"] = str(options.weights)
    set_config(progress=False)
    for seed in range(options.seeds):
        bodies = make_bodies(max(options.frames) + N_TEST, n_points=options.points, random_state=seed)
        for n in options.frames:
            kp = model(options).fit(bodies.images[:n], bodies.keypoints[:n])
            report(f"{n:4} mice, seed {seed}", kp, bodies.images[-N_TEST:], bodies.keypoints[-N_TEST:])
        if options.data is not None:
            paths, points, people, test, rest = draw_faces(options.data, seed)
            for n in options.faces:
                train = rest[:n]
                kp = model(options).fit([paths[i] for i in train], points[train], groups=people[train])
                report(f"{n:4} faces, seed {seed}", kp, [paths[i] for i in test], points[test])


def model(options: argparse.Namespace) -> KeypointRegressor:
    extractor = FeatureExtractor(cache=options.cache) if options.cache else None
    return KeypointRegressor("mobilenet", head=options.head, extractor=extractor)


def report(name: str, kp: KeypointRegressor, images, truth) -> None:
    points, expected = kp.predict(images, return_error=True)
    real = np.linalg.norm((points - truth).reshape(len(truth), -1, 2), axis=2)
    doubtful = expected >= np.quantile(expected, 0.9)
    rank = spearmanr(expected.ravel(), real.ravel())[0]
    print(
        f"{name}   real {real.mean():5.2f} px   expected {expected.mean():5.2f} px   "
        f"ratio {expected.mean() / real.mean():4.2f}   rank {rank:4.2f}   "
        f"worst tenth {real[doubtful].sum() / real.sum():4.0%}",
        flush=True,
    )


def draw_faces(data: Path, seed: int):
    """Return paths, points, people, and rows to test and to learn from; a fifth of the people is held out."""
    files = [data / "keypoints" / f"{part}_frames_keypoints.csv" for part in ("training", "test")]
    tables = [read_keypoints_csv(file) for file in files]
    paths = [path for table in tables for path in table.paths]
    points = np.concatenate([table.keypoints for table in tables])
    people = np.array([path.stem.rsplit("_", 1)[0] for path in paths])
    generator = np.random.default_rng(seed)
    names = generator.permutation(np.unique(people))
    held = np.isin(people, names[: len(names) // 5])
    order = generator.permutation(len(paths))
    return paths, points, people, order[held[order]][:N_TEST], order[~held[order]]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--frames", type=int, nargs="+", default=[25, 93])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--faces", type=int, nargs="+", default=[60, 150])
    parser.add_argument("--head", default="auto")
    parser.add_argument("--cache", type=Path, help="folder for features, by default the usual one")
    return parser.parse_args()


if __name__ == "__main__":
    main()
