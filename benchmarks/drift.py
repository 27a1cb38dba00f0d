"""Drift: how often a change is seen, and how often there is a false alarm.

    python benchmarks/drift.py --data DATA --weights WEIGHTS [--repeats 40]

DATA has gender/{train,val}, cats_dogs, chest_xray; WEIGHTS has mobilenet.weights.h5. A classifier is
trained on half of a set; then it looks, at the default level of 0.01, at random images of the other half,
as they are or changed: half the brightness, blurred by a Gaussian of 2 pixels, saved at JPEG quality 10, a
tenth of them of another set, one class only. Printed is the share of looks in which drift was found, at 25,
50 and 100 images.
"""

from __future__ import annotations

import argparse
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from sklearn.model_selection import train_test_split

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import Classifier, drift, set_config
from transferkit.datasets import read_image_folder

SETS = {"faces": "gender/train", "cats and dogs": "cats_dogs", "X-rays": "chest_xray"}
SIZES = (25, 50, 100)


def saved_coarsely(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=10)
    return Image.open(file)


CHANGES = {
    "as they are": None,
    "half as bright": lambda image: ImageEnhance.Brightness(image).enhance(0.5),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "JPEG quality 10": saved_coarsely,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--cache", default=True, help="folder of the cache; by default the usual one")
    options = parser.parse_args()
    set_config(progress=False, cache=options.cache)
    data = {name: read_image_folder(options.data / folder) for name, folder in SETS.items()}
    generator = np.random.default_rng(0)
    for name, (paths, labels) in data.items():
        train, rest, y, truth = train_test_split(
            np.array(paths, object), labels, train_size=0.5, stratify=labels, random_state=0
        )
        clf = Classifier(weights=options.weights / "mobilenet.weights.h5").fit(train.tolist(), y)
        pools = {
            what: list(rest)
            if change is None
            else [np.asarray(change(Image.open(path).convert("RGB"))) for path in rest]
            for what, change in CHANGES.items()
        }
        pools["one class only"] = [path for path, one in zip(rest, truth, strict=True) if one == truth[0]]
        other = list(data["X-rays" if name == "faces" else "faces"][0])
        print(f"\n{name}: trained on {len(train)}; share of {options.repeats} looks in which drift was found")
        for what, pool in {**pools, "a tenth of another set": list(rest)}.items():
            shares = []
            for n in SIZES:
                found = 0
                for _ in range(options.repeats):
                    chosen = [pool[i] for i in generator.permutation(len(pool))[:n]]
                    if what == "a tenth of another set":
                        chosen[: n // 10] = [other[i] for i in generator.permutation(len(other))[: n // 10]]
                    found += drift(clf, chosen).drifted
                shares.append(f"{n}: {found / options.repeats:.0%}")
            print(f"  {what:24} {', '.join(shares)}", flush=True)


if __name__ == "__main__":
    main()
