"""The default vector of FeatureExtractor in a pipeline of scikit-learn, beside Classifier, on the same folds.

    python benchmarks/vectors.py --data DATA --weights WEIGHTS [--images 300] [--layers]

DATA has gender/train/{man,woman} and cats_dogs/{cat,dog}; WEIGHTS has mobilenet.weights.h5 and
mobilenet_v2.weights.h5. With --layers, each recommended layer at one and at four cells too: how the default
was chosen.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transferkit import Classifier, FeatureExtractor, get_backbone, set_config
from transferkit.datasets import read_image_folder

FOLDERS = {"gender": "gender/train", "cats_dogs": "cats_dogs"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--images", type=int, default=300, help="of each data set, drawn at random")
    parser.add_argument("--layers", action="store_true")
    options = parser.parse_args()
    set_config(progress=False)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for backbone in ("mobilenet", "mobilenet_v2"):
        own = {"backbone": backbone, "weights": options.weights / f"{backbone}.weights.h5"}
        taps = [("default", {}), ("whole last map", {"layers": "last", "grid": "full"})]
        if options.layers:
            layers = get_backbone(backbone).layers
            taps += [
                (f"{layer}, {grid}", {"layers": layer, "grid": grid}) for layer in layers for grid in (1, 2)
            ]
        for name, folder in FOLDERS.items():
            paths, labels = read_image_folder(options.data / folder)
            rows = np.random.default_rng(0).permutation(len(paths))[: options.images]
            X, y = [paths[row] for row in rows], np.asarray(labels)[rows]
            print(f"\n## {backbone}, {name}, {len(X)} images: accuracy in five folds")
            print(f"  {'Classifier':24} {cross_val_score(Classifier(**own), X, y, cv=folds).mean():.3f}")
            for tap, parameters in taps:
                pipeline = make_pipeline(
                    FeatureExtractor(**own, **parameters), StandardScaler(), LogisticRegression(max_iter=1000)
                )
                print(f"  {tap:24} {cross_val_score(pipeline, X, y, cv=folds).mean():.3f}", flush=True)


if __name__ == "__main__":
    main()
