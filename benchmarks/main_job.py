"""The main job on real pictures: accuracy, time of each stage, and baselines, in one run.

    python benchmarks/main_job.py --data DATA --weights WEIGHTS [--only gender keypoints cats_dogs] [--quick]

DATA has gender/{train,val}/{man,woman}, keypoints/{training,test} with *_frames_keypoints.csv beside them
(names are Firstname_Lastname_NN.jpg: the person is the group), and cats_dogs/{cat,dog}. WEIGHTS has
mobilenet.weights.h5. --quick leaves out the heads that train for minutes. Seed 0 everywhere. Parts whose
data is missing are skipped with a reason.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedKFold

from transferkit import Classifier, KeypointRegressor
from transferkit.datasets import read_image_folder, read_keypoints_csv
from transferkit.heads import ConvHead
from transferkit.metrics import normalized_mean_error, wilson_interval

# The tutorials' heads, number by number: fixed epochs, features divided by the training maximum.
R1 = ConvHead(
    filters=512, hidden=512, dropout=0.5, epochs=20, batch_size=32, patience=None, validation_fraction=0.0
)
R9 = ConvHead(
    filters=512, hidden=512, dropout=0.5, epochs=10, patience=None, scaling="max", output_activation="sigmoid"
)
# The same idea where the map is finer and positions are not lost.
LIGHT = ConvHead(filters=64, hidden=256, dropout=0.2, epochs=12)


def gender(data: Path, quick: bool) -> None:
    train, labels = read_image_folder(data / "gender" / "train")
    test, truth = read_image_folder(data / "gender" / "val")
    print(f"\n## Gender: {len(train)} training faces, {len(test)} others to test on")
    for name, parameters in (
        ("mobilenet, linear, last layer averaged", {"layers": "last", "grid": 1, "augment": None}),
        ("mobilenet, default", {}),
        (
            "mobilenet, LinearHead, conv_pw_8 at 7 x 7",
            {"head": "linear", "layers": "conv_pw_8_relu", "grid": 7},
        ),
        ("scattering, default", {"backbone": "scattering"}),
        ("mobilenet, ConvHead as in R1", {"head": R1, "augment": None}),
    ):
        if quick and "head" in parameters and not isinstance(parameters["head"], str):
            continue
        # The second fit finds its features in the cache: what is left is reading them and the head.
        clf = Classifier(**{"backbone": "mobilenet", **parameters})
        cold, extraction = timed(lambda clf=clf: clf.fit(train, labels).report_)
        # The tutorials' head takes minutes both times: its features were there, so once is enough.
        warm = cold if clf.head is R1 else timed(lambda clf=clf: clf.fit(train, labels))[0]
        hits = int((clf.predict(test) == truth).sum())
        low, high = wilson_interval(hits, len(test))
        print(
            f"{name:44} {hits / len(test):6.1%} [{low:.1%}, {high:.1%}]   first fit {cold:6.1f} s, "
            f"fit on cached features {warm:6.1f} s   ({extraction.n_decoded} decoded, "
            f"{extraction.n_backbone_calls} backbone calls; then {clf.report_.n_decoded} and "
            f"{clf.report_.n_backbone_calls})",
            flush=True,
        )


def keypoints(data: Path, quick: bool) -> None:
    tables = [
        read_keypoints_csv(data / "keypoints" / f"{part}_frames_keypoints.csv")
        for part in ("training", "test")
    ]
    paths = [path for table in tables for path in table.paths]
    points = np.concatenate([table.keypoints for table in tables])
    people = np.array([path.stem.rsplit("_", 1)[0] for path in paths])
    train, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(paths, groups=people))
    print(
        f"\n## 68 keypoints: {len(train)} faces of {len(set(people[train]))} people to train on, "
        f"{len(test)} of {len(set(people[test]))} others to test on; error in % of the distance of the outer "
        "eye corners"
    )
    here, there = [paths[i] for i in train], [paths[i] for i in test]
    for name, parameters in (
        ("mobilenet, LinearHead, default", {}),
        ("mobilenet, LinearHead, 14 x 14", {"layers": ["conv_pw_8_relu", "conv_pw_11_relu"], "grid": 14}),
        ("mobilenet, light ConvHead, 14 x 14", {"head": LIGHT, "layers": "conv_pw_11_relu", "grid": 14}),
        ("scattering, LinearHead, default", {"backbone": "scattering"}),
        ("mobilenet, ConvHead as in R9", {"head": R9, "augment": None}),
    ):
        if quick and "head" in parameters:
            continue
        kp = KeypointRegressor(**{"backbone": "mobilenet", **parameters})
        cold, _ = timed(lambda kp=kp: kp.fit(here, points[train], groups=people[train]))
        error = normalized_mean_error(points[test], kp.predict(there))
        print(f"{name:44} {error:6.1%}   first fit {cold:6.1f} s", flush=True)
    sizes = kp.extract(paths).sizes()[:, None]
    mean = ((points.reshape(len(points), -1, 2) + 0.5) / sizes)[train].mean(axis=0)
    shape = (mean * sizes[test] - 0.5).reshape(len(test), -1)
    print(f"{'mean shape, no model':44} {normalized_mean_error(points[test], shape):6.1%}")


def cats_dogs(data: Path, quick: bool) -> None:
    paths, labels = read_image_folder(data / "cats_dogs")
    print(f"\n## Cats and dogs: {len(paths)} photographs, 5-fold cross-validation")
    for name, parameters in (
        ("mobilenet, last layer averaged", {"layers": "last", "grid": 1, "augment": None}),
        ("mobilenet, default", {}),
        ("mobilenet, LinearHead, all layers", {"head": "linear"}),
    ):
        hits, seconds = 0, 0.0
        for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(paths, labels):
            clf = Classifier("mobilenet", **parameters)
            spent, _ = timed(lambda clf=clf, train=train: clf.fit([paths[i] for i in train], labels[train]))
            seconds += spent
            hits += int((clf.predict([paths[i] for i in test]) == labels[test]).sum())
        low, high = wilson_interval(hits, len(paths))
        print(
            f"{name:44} {hits / len(paths):6.1%} [{low:.1%}, {high:.1%}]   five fits {seconds:6.1f} s",
            flush=True,
        )


def timed(work):
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=["gender", "cats_dogs", "keypoints"])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    os.environ["TRANSFERKIT_WEIGHTS"] = str(options.weights)
    for part in (gender, cats_dogs, keypoints):
        if part.__name__ not in options.only:
            continue
        if not (options.data / part.__name__).is_dir():
            print(f"\n## {part.__name__}: skipped, there is no {options.data / part.__name__}")
            continue
        part(options.data, options.quick)


if __name__ == "__main__":
    main()
