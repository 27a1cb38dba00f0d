"""The right backbone: what networks of the same size bring, all with the defaults, by cross-validation.

    python benchmarks/backbones.py --data DATA --weights WEIGHTS [--only gender cats_dogs chest keypoints]

DATA has gender/train/{man,woman}, cats_dogs/{cat,dog}, chest_xray/{...} and keypoints/training; WEIGHTS has
mobilenet.weights.h5, mobilenet_v2.weights.h5, mobilenet_faces.weights.h5 (MobileNet trained on faces) and
efficientnet_lite2.onnx. Differences to the best have paired intervals; ms is one image, without decoding.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import Backbone, Classifier, KeypointRegressor, compare, set_config
from transferkit.datasets import read_image_folder, read_keypoints_csv

FOLDERS = {"gender": "gender/train", "cats_dogs": "cats_dogs", "chest": "chest_xray"}


def candidates(kind, weights: Path) -> dict[str, object]:
    lite = Backbone.from_onnx(weights / "efficientnet_lite2.onnx", mean=127, std=128)
    return {
        "MobileNet": kind("mobilenet", weights=weights / "mobilenet.weights.h5"),
        "MobileNetV2": kind("mobilenet_v2", weights=weights / "mobilenet_v2.weights.h5"),
        "MobileNet, faces": kind("mobilenet", weights=weights / "mobilenet_faces.weights.h5"),
        "EfficientNet-Lite2, ONNX": kind(lite),
    }


def faces(data: Path, n: int):
    """Return pictures, keypoints and people of about n faces, of whole people."""
    table = read_keypoints_csv(data / "keypoints" / "training_frames_keypoints.csv")
    people = np.array([path.stem.rsplit("_", 1)[0] for path in table.paths])
    chosen = np.random.default_rng(0).permutation(np.unique(people))
    sizes = np.cumsum([np.count_nonzero(people == person) for person in chosen])
    rows = np.flatnonzero(np.isin(people, chosen[: np.searchsorted(sizes, n) + 1]))
    return [table.paths[i] for i in rows], table.keypoints[rows], people[rows]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[*FOLDERS, "keypoints"])
    parser.add_argument("--faces", type=int, default=800, help="for keypoints, in two folds by people")
    parser.add_argument("--cache", default=True, help="folder of the cache; by default the usual one")
    options = parser.parse_args()
    set_config(progress=False, cache=options.cache)
    for name in options.only:
        start = time.perf_counter()
        if name == "keypoints":
            paths, targets, groups = faces(options.data, options.faces)
            kind, settings = KeypointRegressor, {"cv": 2, "groups": groups}
        else:
            paths, targets = read_image_folder(options.data / FOLDERS[name])
            kind, settings = Classifier, {"cv": 5}
        found = compare(candidates(kind, options.weights), paths, targets, progress=False, **settings)
        print(f"\n## {name}: {len(paths)} pictures, {settings['cv']} folds", flush=True)
        print(found, f"\n({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
