"""Decisions: are unknown images told, and are promises kept?

    python benchmarks/decisions.py --data DATA --weights WEIGHTS [--only unknown sets thresholds]
                                   [--splits 20]

DATA has cats_dogs, gender, chest_xray and keypoints; WEIGHTS has mobilenet.weights.h5. "unknown" trains on
20, 100 or 400 images of one set and asks others of it, images of the other sets, and noise: the area under
the ROC curve of ``novelty``, beside that of the largest probability, which is what is often used; and the
share that ``max_novelty=0.95`` refuses, of others of the set and of each kind of unknown. "sets" and
"thresholds" fit on a random half of a set and count on the other half, over all splits: the share of images
whose right class is in the set, the mean number of classes in it, and the sensitivity at the threshold that
was promised to keep it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import Classifier, set_config
from transferkit.datasets import read_image_folder

SETS = {"cats and dogs": "cats_dogs", "faces": "gender/train", "X-rays": "chest_xray"}
SIZES, N_ASKED, ACCEPTED = (20, 100, 400), 200, 0.95


def noise(generator: np.random.Generator) -> list[np.ndarray]:
    """Return grey levels of single pixels, and of blocks of 25 x 25."""
    fine = generator.integers(0, 256, (N_ASKED // 2, 200, 200, 3), dtype=np.uint8)
    coarse = generator.integers(0, 256, (N_ASKED // 2, 8, 8, 3), dtype=np.uint8)
    return [*fine, *coarse.repeat(25, axis=1).repeat(25, axis=2)]


def some(items: list, generator: np.random.Generator, n: int = N_ASKED) -> list:
    return [items[i] for i in generator.permutation(len(items))[:n]]


def unknown(options: argparse.Namespace) -> None:
    generator = np.random.default_rng(0)
    data = {name: read_image_folder(options.data / folder) for name, folder in SETS.items()}
    frames = sorted((options.data / "keypoints/test").glob("*.jpg"))
    kinds = {name: some(list(paths), generator) for name, (paths, _) in data.items()}
    kinds |= {"film frames": some(frames, generator), "noise": noise(generator)}
    print("\n## Unknown: area under the curve by novelty (by the largest probability), share refused")
    for known, (paths, labels) in data.items():
        for n in SIZES:
            if n > len(paths) - 60:
                continue
            train, other, y, _ = train_test_split(
                np.array(paths, object), labels, train_size=n, stratify=labels, random_state=0
            )
            clf = Classifier(weights=options.weights).fit(train.tolist(), y)
            own = some(other.tolist(), generator)
            usual, sure = clf.novelty(own), clf.predict_proba(own).max(axis=1)
            cells = []
            for kind, images in kinds.items():
                if kind != known:
                    found = clf.novelty(images)
                    truth = np.repeat([0, 1], [len(own), len(images)])
                    area = roc_auc_score(truth, np.concatenate([usual, found]))
                    unsure = -np.concatenate([sure, clf.predict_proba(images).max(axis=1)])
                    other_way, refused = roc_auc_score(truth, unsure), (found > ACCEPTED).mean()
                    cells.append(f"{kind} {area:.3f} ({other_way:.3f}) {refused:.0%}")
            print(
                f"{known}, {n}: others of it {(usual > ACCEPTED).mean():.1%}; " + "; ".join(cells), flush=True
            )


def halves(options: argparse.Namespace):
    """Yield a set, and for each split a fitted model, other images and their labels."""
    for name, folder in SETS.items():
        paths, labels = read_image_folder(options.data / folder)

        def splits(paths=paths, labels=labels):
            for seed in range(options.splits):
                train, test, y, truth = train_test_split(
                    np.array(paths, object), labels, train_size=0.5, stratify=labels, random_state=seed
                )
                yield Classifier(weights=options.weights).fit(train.tolist(), y), test.tolist(), truth

        yield name, splits


def sets(options: argparse.Namespace) -> None:
    print(f"\n## Sets of classes: {options.splits} halves; coverage (of the rarest class), classes in a set")
    for name, splits in halves(options):
        found: dict[tuple[float, bool], list] = {}
        for clf, test, truth in splits():
            right = np.searchsorted(clf.classes_, truth)
            rarest = right == np.bincount(right).argmin()
            for coverage in (0.9, 0.95, 0.99):
                for by_class in (False, True):
                    made = clf.predict_set(test, coverage=coverage, by_class=by_class)
                    hit = made[np.arange(len(made)), right]
                    found.setdefault((coverage, by_class), []).append(
                        (hit.mean(), hit[rarest].mean(), made.sum(axis=1).mean())
                    )
        for (coverage, by_class), rows in found.items():
            mean, spread = np.mean(rows, axis=0), np.std([row[0] for row in rows], ddof=1)
            print(
                f"{name:14} {coverage:.0%} {'by class' if by_class else 'all':9} {mean[0]:.1%} "
                f"+- {spread:.1%} ({mean[1]:.1%}), {mean[2]:.2f}",
                flush=True,
            )


def thresholds(options: argparse.Namespace) -> None:
    print(f"\n## Thresholds: {options.splits} halves; sensitivity and specificity on the other half")
    for name, splits in halves(options):
        found: dict[float, list] = {}
        for clf, test, truth in splits():
            label = clf.classes_[1].item()
            chances = clf.predict_proba(test)[:, 1]
            for sensitivity in (0.9, 0.95):
                value = clf.threshold_for(label, sensitivity=sensitivity).value
                has = truth == label
                rates = (chances[has] > value).mean(), (chances[~has] <= value).mean()
                found.setdefault(sensitivity, []).append(rates)
        for sensitivity, rows in found.items():
            mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
            print(
                f"{name:14} {label}, {sensitivity:.0%} asked: {mean[0]:.1%} +- {spread[0]:.1%}, "
                f"specificity {mean[1]:.1%}",
                flush=True,
            )


PARTS = {part.__name__: part for part in (unknown, sets, thresholds)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--cache", default=True, help="folder of the cache; by default the usual one")
    options = parser.parse_args()
    options.weights = options.weights / "mobilenet.weights.h5"
    set_config(progress=False, cache=options.cache)
    for part in options.only:
        PARTS[part](options)


if __name__ == "__main__":
    main()
