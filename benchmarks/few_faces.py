"""How accurate keypoints are that were learned from few faces, beside the linear head.

    python benchmarks/few_faces.py --data DATA --weights WEIGHTS [--faces 25 60 150] [--seeds 2]
                                   [--heads auto linear] [--backbone mobilenet]

DATA has keypoints/{training,test} with *_frames_keypoints.csv beside them (Firstname_Lastname_NN.jpg: the
person is the group). Each seed holds a fifth of the people out, and tests on 200 of their faces. Errors are
in % of the distance of the outer eye corners. "fit" is from pictures, some of which a fit before has cached.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from transferkit import FeatureExtractor, KeypointRegressor, set_config
from transferkit.cache import FeatureCache
from transferkit.datasets import read_keypoints_csv
from transferkit.metrics import normalized_mean_error

N_TEST = 200


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--faces", type=int, nargs="+", default=[25, 60, 150])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--heads", nargs="+", default=["auto", "linear"])
    parser.add_argument("--backbone", default="mobilenet")
    options = parser.parse_args()
    os.environ["TRANSFERKIT_WEIGHTS"] = str(options.weights)
    set_config(progress=False)
    files = [options.data / "keypoints" / f"{part}_frames_keypoints.csv" for part in ("training", "test")]
    tables = [read_keypoints_csv(file) for file in files]
    paths = [path for table in tables for path in table.paths]
    points = np.concatenate([table.keypoints for table in tables])
    people = np.array([path.stem.rsplit("_", 1)[0] for path in paths])
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(folder)
        for seed in range(options.seeds):
            generator = np.random.default_rng(seed)
            names = generator.permutation(np.unique(people))
            held = np.isin(people, names[: len(names) // 5])
            order = generator.permutation(len(paths))
            test, rest = order[held[order]][:N_TEST], order[~held[order]]
            for n in options.faces:
                train = rest[:n]
                for head in options.heads:
                    kp = KeypointRegressor(
                        options.backbone, head=head, extractor=FeatureExtractor(cache=cache)
                    )
                    started = time.perf_counter()
                    kp.fit([paths[i] for i in train], points[train], groups=people[train])
                    seconds = time.perf_counter() - started
                    errors = normalized_mean_error(
                        points[test], kp.predict([paths[i] for i in test]), per_image=True
                    )
                    print(
                        f"seed {seed}, {n:4} faces, {head:8} mean {errors.mean():6.2%}, "
                        f"median {np.median(errors):6.2%}, fit {seconds:5.1f} s", flush=True,
                    )  # fmt: skip


if __name__ == "__main__":
    main()
