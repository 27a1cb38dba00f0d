"""Keypoints of a face that is not there: which pictures a model of faces should refuse.

    python benchmarks/refused_faces.py --data DATA --weights WEIGHTS [--faces 300] [--tested 100]

DATA has keypoints/{training,test} with *_frames_keypoints.csv beside them, cats_dogs, chest_xray and
gender/val; WEIGHTS has mobilenet.weights.h5. A model learns from faces of some people; it is asked faces of
others, pictures without a face, noise, and aligned faces of another source. Scores are the novelty of the
whole picture, the mean expected error as a fraction of the size of the points found, and the larger of the
ranks of both among the faces of others. "refused" is the share above the score that 5 % of the faces of
others exceed.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from sklearn.metrics import roc_auc_score

from transferkit import KeypointRegressor, set_config
from transferkit.datasets import read_image_folder, read_keypoints_csv


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=300)
    parser.add_argument("--tested", type=int, default=100)
    parser.add_argument("--head", default="linear")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    set_config(progress=False, cache=False)
    files = [options.data / "keypoints" / f"{part}_frames_keypoints.csv" for part in ("training", "test")]
    tables = [read_keypoints_csv(file) for file in files]
    paths = np.array([path for table in tables for path in table.paths], dtype=object)
    points = np.concatenate([table.keypoints for table in tables])
    people = np.array([path.stem.rsplit("_", 1)[0] for path in paths])
    generator = np.random.default_rng(options.seed)
    names = generator.permutation(np.unique(people))
    held = np.isin(people, names[: len(names) // 4])
    order = generator.permutation(len(paths))
    train, others = order[~held[order]][: options.faces], order[held[order]][: options.tested]

    def some(folder: str) -> list[Path]:
        found, _ = read_image_folder(options.data / folder)
        return [found[i] for i in generator.permutation(len(found))[: options.tested]]

    asked = {
        "faces of others": list(paths[others]),
        "cats and dogs": some("cats_dogs"),
        "chest X-rays": some("chest_xray"),
        "noise": list(generator.integers(0, 256, (options.tested, 200, 200, 3), dtype=np.uint8)),
        "faces, another source": some("gender/val"),
    }
    kp = KeypointRegressor(weights=options.weights / "mobilenet.weights.h5", head=options.head)
    kp.fit(list(paths[train]), points[train], groups=people[train])
    scores = {}
    for name, pictures in asked.items():
        found, error = kp.predict(pictures, return_error=True)
        xy = found.reshape(len(found), -1, 2)
        size = np.sqrt(np.prod(np.ptp(xy, axis=1), axis=1))
        scores[name] = np.stack([kp.novelty(pictures), error.mean(axis=1) / size])
        print(f"{name}: median novelty and error {np.median(scores[name], axis=1).round(3)}", flush=True)
    known = scores.pop("faces of others")
    ranks = {
        name: np.stack([np.searchsorted(np.sort(k), s, "right") for k, s in zip(known, both, strict=True)])
        for name, both in {"known": known, **scores}.items()
    }
    print(f"\n{'AUROC, and refused at 5 %':28}{'novelty':>18}{'expected error':>18}{'larger rank':>18}")
    for name, both in scores.items():
        row = f"{name:28}"
        pairs = [*zip(known, both, strict=True), (ranks["known"].max(axis=0), ranks[name].max(axis=0))]
        for own, other in pairs:
            truth = np.repeat([0, 1], [len(own), len(other)])
            area = roc_auc_score(truth, np.concatenate([own, other]))
            row += f"{area:9.3f}{np.mean(other > np.quantile(own, 0.95)):9.0%}"
        print(row, flush=True)
    for limit in (0.9, 0.95, 0.99):
        refused = {"faces of others": known, **scores}
        told = ", ".join(f"{name} {np.mean(both[0] > limit):.0%}" for name, both in refused.items())
        print(f"refused with max_novelty={limit}: {told}", flush=True)


if __name__ == "__main__":
    main()
