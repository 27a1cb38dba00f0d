"""How accurate the default is on pictures never seen, beside a tutorial's training on the same backbone.

    python benchmarks/accuracy.py --data DATA --weights WEIGHTS [--backbone mobilenet] [--seeds 3]
                                  [--only gender gender_splits curve cats_dogs chest keypoints]
                                  [--file FILE] [--tutorial]

DATA has gender/{train,val}/{man,woman}, cats_dogs/{cat,dog}, chest_xray/{no_findings,pneumonia,covid}, and
keypoints/{training,test} with *_frames_keypoints.csv beside them (Firstname_Lastname_NN.jpg: the person
is the group). WEIGHTS has <backbone>.weights.h5. Everything that is chosen is chosen on training pictures.
Intervals are 95 %: Wilson's for accuracies, over people (bootstrap) for keypoints. "head" is the time of a
fit on cached features. --file is a file of other weights for the backbone. --tutorial adds the tutorials'
heads, which train for minutes each.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedKFold, train_test_split

from transferkit import Classifier, FeatureExtractor, KeypointRegressor
from transferkit.cache import FeatureCache
from transferkit.datasets import read_image_folder, read_keypoints_csv
from transferkit.heads import ConvHead
from transferkit.metrics import normalized_mean_error, wilson_interval

R1 = ConvHead(filters=512, hidden=512, epochs=20, patience=None, validation_fraction=0.0)
R9 = ConvHead(filters=512, hidden=512, epochs=10, patience=None, output_activation="sigmoid")
LAST = {"head": "linear", "layers": "last", "grid": 1, "augment": None}
TUTORIAL = {"head": R1, "augment": None}


def variants(options, *, scattering=False):
    """Yield name and parameters of what is compared."""
    backbone = options.backbone
    common = {"backbone": backbone, "weights": options.file or "imagenet"}
    yield f"{backbone}, default", common
    yield f"{backbone}, linear on the last layer", {**common, **LAST}
    if scattering:
        yield f"{backbone}, 8 views", {**common, "augment": "multi"}
        yield "scattering, default", {"backbone": "scattering"}
    if options.tutorial:
        yield f"{backbone}, tutorial's head (R1)", {**common, **TUTORIAL}


def gender(options) -> None:
    train, labels = read_image_folder(options.data / "gender" / "train")
    test, truth = read_image_folder(options.data / "gender" / "val")
    print(f"\n## Gender: {len(train)} training faces, {len(test)} others to test on")
    for name, parameters in variants(options, scattering=True):
        clf = Classifier(**parameters, extractor=FeatureExtractor(cache=options.cache))
        cold = timed(lambda clf=clf: clf.fit(train, labels))
        warm = cold if clf.head is R1 else timed(lambda clf=clf: clf.fit(train, labels))
        report(name, clf.predict(test) == truth, f"first fit {cold:6.1f} s, head {warm:6.1f} s")


def gender_splits(options) -> None:
    """All faces, each picture once, parted at random: no part of a choice is one split."""
    found = [read_image_folder(options.data / "gender" / part) for part in ("train", "val")]
    paths = [path for images, _ in found for path in images]
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    once = np.sort(np.unique(contents, return_index=True)[1])
    paths, labels = [paths[i] for i in once], np.concatenate([labels for _, labels in found])[once]
    print(f"\n## Gender: {len(paths)} faces, 1,600 to train on, all others to test, {options.seeds} splits")
    for name, parameters in variants(options, scattering=True):
        hits, seconds = [], 0.0
        for seed in range(options.seeds):
            train, test = train_test_split(
                np.arange(len(paths)), train_size=1600, stratify=labels, random_state=seed
            )
            clf = Classifier(**parameters, random_state=seed, extractor=FeatureExtractor(cache=options.cache))
            seconds += timed(lambda clf=clf, t=train: clf.fit([paths[i] for i in t], labels[t]))
            hits.append(clf.predict([paths[i] for i in test]) == labels[test])
        each = [f"{right.mean():.1%}" for right in hits]
        report(name, np.concatenate(hits), f"fits {seconds:6.1f} s, splits {', '.join(each)}", options.seeds)


def curve(options) -> None:
    train, labels = read_image_folder(options.data / "gender" / "train")
    test, truth = read_image_folder(options.data / "gender" / "val")
    for n in (100, 400, 1600):
        print(f"\n## Learning curve: {n} training faces, {options.seeds if n < 1600 else 1} draws")
        for name, parameters in variants(options):
            hits, seconds = [], 0.0
            for seed in range(options.seeds if n < 1600 else 1):
                chosen = np.arange(len(train))
                if n < len(train):
                    chosen, _ = train_test_split(chosen, train_size=n, stratify=labels, random_state=seed)
                clf = Classifier(
                    **parameters, random_state=seed, extractor=FeatureExtractor(cache=options.cache)
                )
                seconds += timed(lambda clf=clf, c=chosen: clf.fit([train[i] for i in c], labels[c]))
                hits.append(clf.predict(test) == truth)
            report(name, np.concatenate(hits), f"fits {seconds:6.1f} s", len(hits))


def folds(options, title: str, folder: str) -> None:
    paths, labels = read_image_folder(options.data / folder)
    print(f"\n## {title}: {len(paths)} pictures, 5-fold cross-validation, {options.seeds} shuffles")
    for name, parameters in variants(options):
        hits, seconds = [], 0.0
        for seed in range(options.seeds):
            for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(paths, labels):
                clf = Classifier(
                    **parameters, random_state=seed, extractor=FeatureExtractor(cache=options.cache)
                )
                seconds += timed(lambda clf=clf, t=train: clf.fit([paths[i] for i in t], labels[t]))
                hits.append(clf.predict([paths[i] for i in test]) == labels[test])
        each = [f"{np.concatenate(hits[5 * s : 5 * s + 5]).mean():.1%}" for s in range(options.seeds)]
        report(
            name, np.concatenate(hits), f"fits {seconds:6.1f} s, shuffles {', '.join(each)}", options.seeds
        )


def cats_dogs(options) -> None:
    folds(options, "Cats and dogs", "cats_dogs")


def chest(options) -> None:
    folds(options, "Chest X-rays, three classes", "chest_xray")


def keypoints(options) -> None:
    files = [options.data / "keypoints" / f"{part}_frames_keypoints.csv" for part in ("training", "test")]
    tables = [read_keypoints_csv(file) for file in files]
    paths = [path for table in tables for path in table.paths]
    points = np.concatenate([table.keypoints for table in tables])
    people = np.array([path.stem.rsplit("_", 1)[0] for path in paths])
    for seed in options.splits or range(options.seeds):
        split = GroupShuffleSplit(1, test_size=0.2, random_state=seed)
        train, test = next(split.split(paths, groups=people))
        here, there = [paths[i] for i in train], [paths[i] for i in test]
        print(
            f"\n## 68 keypoints, split {seed}: {len(train)} faces of {len(set(people[train]))} people, "
            f"tested on {len(test)} of {len(set(people[test]))} others; mean error in % of the distance of "
            "the outer eye corners"
        )
        candidates: dict[str, dict] = {"default": {}}
        if seed == 0 and not options.splits:
            candidates["whole picture only"] = {"refine": 0}
            candidates["linear, no TensorFlow"] = {"head": "linear"}
            if options.tutorial:
                candidates["tutorial's head (R9)"] = {"head": R9, "augment": None}
        for name, parameters in candidates.items():
            kp = KeypointRegressor(
                options.backbone, **parameters, extractor=FeatureExtractor(cache=options.cache)
            )
            seconds = timed(lambda kp=kp, h=here, t=train: kp.fit(h, points[t], groups=people[t]))
            errors = normalized_mean_error(points[test], kp.predict(there), per_image=True)
            low, high = bootstrap(errors, people[test])
            print(
                f"{options.backbone + ', ' + name:42} {errors.mean():6.2%} [{low:.2%}, {high:.2%}], median "
                f"{np.median(errors):.2%}   fit {seconds:6.1f} s", flush=True,
            )  # fmt: skip
        sizes = kp.extract(paths).sizes()[:, None]
        mean = ((points.reshape(len(points), -1, 2) + 0.5) / sizes)[train].mean(axis=0)
        shape = (mean * sizes[test] - 0.5).reshape(len(test), -1)
        print(f"{'mean shape, no model':42} {normalized_mean_error(points[test], shape):6.2%}", flush=True)


def bootstrap(errors, groups, draws: int = 2000):
    """Return the 95 % interval of the mean, over groups drawn with replacement."""
    _, group = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(group, errors), np.bincount(group)
    drawn = np.random.default_rng(0).integers(0, len(counts), (draws, len(counts)))
    return np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])


def report(name: str, hits, more: str, repeats: int = 1) -> None:
    # Shuffles of the same pictures are no new pictures: the interval counts each once.
    low, high = wilson_interval(round(hits.sum() / repeats), len(hits) // repeats)
    print(f"{name:42} {hits.mean():6.1%} [{low:.1%}, {high:.1%}]   {more}", flush=True)


def timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {part.__name__: part for part in (gender, gender_splits, curve, cats_dogs, chest, keypoints)}
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--cache", help="folder of the cache; by default the usual one")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--backbone", default="mobilenet")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--splits", nargs="+", type=int, help="of keypoints, with the default model only")
    parser.add_argument("--tutorial", action="store_true")
    options = parser.parse_args()
    os.environ["TRANSFERKIT_WEIGHTS"] = str(options.weights)
    options.cache = FeatureCache(options.cache) if options.cache else FeatureCache()
    for name in options.only:
        parts[name](options)
    print(f"\n{options.cache.info()}")


if __name__ == "__main__":
    main()
