"""Fine-tuning against the frozen backbone, on the same pictures that neither has seen.

    python benchmarks/fine_tuning.py --data DATA --weights WEIGHTS [--only gender cats_dogs keypoints]
        [--backbone mobilenet] [--file WEIGHTS_FILE] [--image-size 224] [--layers all] [--epochs 20]
        [--learning-rate 3e-4] [--seeds 1] [--train N] [--keep FOLDER]

DATA has gender/{train,val}/{man,woman}, cats_dogs/{cat,dog}, and keypoints/{training,test} with
*_frames_keypoints.csv beside them (Firstname_Lastname_NN.jpg: the person is the group). Faces are tested on
gender/val; of cats and dogs, and of people with keypoints, a fifth is held back. Each line has the figure
with its 95 % interval and the minutes of the fit; then the paired difference on the same pictures, by a
bootstrap over them, or over people. Both start from the same weights. Models are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from transferkit import Classifier, KeypointRegressor, fine_tune, set_config
from transferkit.datasets import read_image_folder, read_keypoints_csv
from transferkit.metrics import normalized_mean_error


def gender(options, seed):
    train, labels = read_image_folder(options.data / "gender" / "train")
    test, truth = read_image_folder(options.data / "gender" / "val")
    return Classifier, (train, labels, None), (test, truth, np.arange(len(test)))


def cats_dogs(options, seed):
    paths, labels = read_image_folder(options.data / "cats_dogs")
    train, test = train_test_split(np.arange(len(paths)), test_size=0.2, stratify=labels, random_state=seed)
    here, there = [paths[i] for i in train], [paths[i] for i in test]
    return Classifier, (here, labels[train], None), (there, labels[test], np.arange(len(test)))


def keypoints(options, seed):
    files = [options.data / "keypoints" / f"{part}_frames_keypoints.csv" for part in ("training", "test")]
    tables = [read_keypoints_csv(file) for file in files]
    paths = [path for table in tables for path in table.paths]
    points = np.concatenate([table.keypoints for table in tables])
    people = np.array([path.stem.rsplit("_", 1)[0] for path in paths])
    train, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(paths, groups=people))
    here, there = [paths[i] for i in train], [paths[i] for i in test]
    return KeypointRegressor, (here, points[train], people[train]), (there, points[test], people[test])


def errors_of(model, images, truth):
    """Return the error of each picture, in percent: 0 or 100 of a class, or of the eyes' distance."""
    if isinstance(model, Classifier):
        return 100.0 * (model.predict(images) != truth)
    return 100 * normalized_mean_error(truth, model.predict(images), per_image=True)


def interval(values, groups, draws=2000):
    """Return the 95 % interval of a mean, by drawing groups."""
    _, group = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(group, values), np.bincount(group)
    drawn = np.random.default_rng(0).integers(0, len(counts), (draws, len(counts)))
    return np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])


def line(name, values, groups, more):
    low, high = interval(values, groups)
    print(f"{name:12} {values.mean():7.2f} % [{low:.2f}, {high:.2f}]   {more}", flush=True)


def run(part, options, seed):
    kind, (here, y, groups), (there, truth, blocks) = part(options, seed)
    if options.train:
        chosen = np.random.default_rng(seed).permutation(len(here))[: options.train]
        here, y = [here[i] for i in chosen], y[chosen]
        groups = None if groups is None else groups[chosen]
    weights = options.file or "imagenet"
    estimator = kind(options.backbone, weights=weights, image_size=options.image_size, random_state=seed)
    print(
        f"\n## {part.__name__}, seed {seed}: {len(here)} pictures to train on, {len(there)} others; "
        f"{estimator!r}",
        flush=True,
    )
    found = {}
    tune = {"layers": options.layers, "epochs": options.epochs, "learning_rate": options.learning_rate}
    for name, fit in (
        ("frozen", lambda: estimator.fit(here, y, groups=groups)),
        ("fine-tuned", lambda: fine_tune(estimator, here, y, groups=groups, **tune)),
    ):
        started = time.perf_counter()
        model = fit()
        minutes = (time.perf_counter() - started) / 60
        with tempfile.TemporaryDirectory() as folder:
            path = (options.keep or Path(folder)) / f"{part.__name__}-{seed}-{name}.safetensors"
            model.save(path)
            size = path.stat().st_size / 1e6
        found[name] = errors_of(model, there, truth)
        line(name, found[name], blocks, f"error; fit {minutes:5.1f} min, model {size:.1f} MB")
        if model.fine_tuning_ is not None:
            done = model.fine_tuning_
            print(
                f"             from {done.first_layer} on, {done.n_trained:,} weights; epoch "
                f"{done.best_epoch} of {done.epochs}, held-out loss {done.loss:.4f} -> {done.best_loss:.4f}",
                flush=True,
            )
    line("difference", found["fine-tuned"] - found["frozen"], blocks, "fine-tuned less frozen, paired")


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    parts = {part.__name__: part for part in (gender, cats_dogs, keypoints)}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--backbone", default="mobilenet")
    parser.add_argument("--file")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--layers", default="all")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--train", type=int)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    os.environ["TRANSFERKIT_WEIGHTS"] = str(options.weights)
    set_config(progress=False)
    for name in options.only:
        for seed in range(options.seeds):
            run(parts[name], options, seed)


if __name__ == "__main__":
    main()
