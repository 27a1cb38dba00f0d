"""Random edits between extractions, and what a fresh process says of each state: is any row stale?

    python benchmarks/edits.py [--edits 500] [--seed 0]

Weights files are replaced, code of a layer and of ``preprocess_input`` is edited, Keras's global settings are
set, objects are pickled and fitted again, in sessions of 25 edits, each a process; all share one cache. After
each edit an extractor must answer with the features of the present state, or of the state of its fit, if it
has read the network since; or refuse, and say so. A new extractor must answer with those of the present
state. The oracle is a process for each state, which starts anew and has no cache.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

STATES = 3  # of each of: weights file, layer, preprocessing
SESSION = 25  # edits in one process
IMAGES = np.random.default_rng(0).integers(0, 256, (16, 40, 40, 3)).astype(np.uint8)
SETTINGS = {"image_size": 32, "grid": 1, "progress": False}
CODE = {"scale": 1.0, "offset": 0.0}  # what the layer and the preprocessing read


def constructor(include_top=False, weights=None, input_shape=None):
    import keras

    class Scale(keras.layers.Layer):
        def call(self, x):
            return x * CODE["scale"]

    inputs = keras.Input(input_shape)
    x = Scale()(keras.layers.Conv2D(8, 3, strides=2, activation="relu")(inputs))
    return keras.Model(inputs, keras.layers.Conv2D(16, 3, strides=2)(x))


def preprocess(pixels):
    return np.where((pixels > 100) & (pixels < 110), pixels + CODE["offset"], pixels) / 255


def apply(state: dict[str, int], folder: Path) -> None:
    """Bring about a state: the file at the path of the weights, and the code."""
    for name in ("mine", "mobilenet"):
        new = folder / f"new-{os.getpid()}.h5"
        shutil.copy(folder / f"{name}-{state['weights']}.weights.h5", new)
        new.replace(folder / f"{name}.weights.h5")
    CODE.update(scale=1 + 0.03 * state["layer"], offset=100.0 * state["preprocess"])


def extractor(name: str, folder: Path, engine: str, **more):
    from transferkit import FeatureExtractor, register_backbone

    register_backbone("mine", constructor, preprocess, 32, image_size=32, overwrite=True)
    return FeatureExtractor(name, weights=folder / f"{name}.weights.h5", engine=engine, **SETTINGS, **more)


def oracle(folder: Path, state: dict[str, int]) -> None:
    """Write the features of a state, by both backbones."""
    apply(state, folder)
    for name in ("mine", "mobilenet"):
        features = extractor(name, folder, "keras", cache=False).transform(IMAGES)
        np.save(folder / f"oracle-{name}-{'-'.join(map(str, state.values()))}.npy", features)


def same(some: np.ndarray, others: np.ndarray) -> bool:
    """Return True if features differ by no more than engines and the rounding of the cache make them."""
    return bool(np.linalg.norm(some - others) <= 2e-3 * np.linalg.norm(others))


def session(folder: Path, seed: int) -> None:
    """Edit and ask; print what happened as JSON."""
    import keras

    from transferkit.cache import FeatureCache
    from transferkit.engines import has_openvino
    from transferkit.errors import TransferKitError

    rng, seen = random.Random(seed), Counter()
    engine = rng.choice(["keras", "openvino"]) if has_openvino() else "keras"
    cache = FeatureCache(folder / "cache")
    expected = {path.stem.removeprefix("oracle-"): np.load(path) for path in folder.glob("oracle-*.npy")}
    state = dict.fromkeys(("weights", "layer", "preprocess"), 0)

    for name, features in expected.items():  # each can be told from every other of its backbone
        alike = [other for other in expected if other[:4] == name[:4] and same(features, expected[other])]
        assert len(alike) == (1 if name.startswith("mine") else STATES**2), (name, alike)

    def answer(word, name, asked, features, *states) -> str:
        """Return the word, or of which other state the features are."""
        names = [f"{name}-{'-'.join(map(str, one.values()))}" for one in states]
        if any(same(features, expected[each][asked]) for each in names):
            return word
        own = [each for each in expected if each.startswith(name)]
        of = [each for each in own if same(features, expected[each][asked])]
        return f"STALE {word}: {of[:1]} for {names}, {engine}, {history[-4:]}"

    apply(state, folder)
    held: dict = {}
    history = []
    for _ in range(SESSION):
        edit = rng.choice(["weights", "layer", "preprocess", "globals", "pickle", "fit"])
        name = rng.choice(["mine", "mine", "mobilenet"])
        history.append((edit, name))
        if edit in state:
            state[edit] = rng.randrange(STATES)
            apply(state, folder)
        elif edit == "globals":
            keras.config.set_dtype_policy(rng.choice(["float32", "mixed_bfloat16", "mixed_float16"]))
            keras.config.set_image_data_format(rng.choice(["channels_last", "channels_first"]))
            keras.config.set_floatx(rng.choice(["float32", "float64", "float16"]))
        elif edit == "pickle" and name in held:
            held[name] = pickle.loads(pickle.dumps(held[name][0])), held[name][1]  # noqa: S301 - our own
        elif edit == "fit" and name in held:
            held[name] = held[name][0].fit(), dict(state)
        if name not in held:
            held[name] = extractor(name, folder, engine, cache=cache).fit(), dict(state)
        asked = rng.sample(range(len(IMAGES)), 6)
        try:
            features = held[name][0].transform(IMAGES[asked])
            seen[answer("right", name, asked, features, state, held[name][1])] += 1
        except TransferKitError as error:
            seen["refused" if "changed while" in str(error) or "not what it was" in str(error)
                 or "was replaced" in str(error) else f"ERROR {error}"] += 1  # fmt: skip
            held.pop(name)
        fresh = extractor(name, folder, engine, cache=cache).transform(IMAGES[asked])
        seen[answer("right anew", name, asked, fresh, state)] += 1
    print(json.dumps(seen))


def make_weights(folder: Path) -> None:
    """Write three files of random weights for each backbone."""
    import keras

    for seed in range(STATES):
        keras.utils.set_random_seed(seed)
        shape = (32, 32, 3)
        constructor(input_shape=shape).save_weights(folder / f"mine-{seed}.weights.h5")
        mobilenet = keras.applications.MobileNet(include_top=False, weights=None, input_shape=shape)
        mobilenet.save_weights(folder / f"mobilenet-{seed}.weights.h5")


def run(n_edits: int = 500, seed: int = 0) -> str:
    """Return what happened, in words; AssertionError if a row was stale."""

    def process(*arguments: object) -> str:
        command = [sys.executable, __file__, "--worker", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    seen: Counter = Counter()
    with tempfile.TemporaryDirectory() as name:
        process("weights", name)
        for i in range(STATES**3):
            process("oracle", name, json.dumps({"weights": i % 3, "layer": i // 3 % 3, "preprocess": i // 9}))
        for i in range(-(-n_edits // SESSION)):
            seen.update(json.loads(process("session", name, seed + i).splitlines()[-1]))
    wrong = {what: n for what, n in seen.items() if what.isupper() or what.split()[0].isupper()}
    assert not wrong, wrong
    return ", ".join(f"{n} {what}" for what, n in sorted(seen.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is None:
        print(run(options.edits, options.seed))
        return
    what, folder, *more = options.worker
    if what == "weights":
        make_weights(Path(folder))
    elif what == "oracle":
        oracle(Path(folder), json.loads(more[0]))
    else:
        session(Path(folder), int(more[0]))


if __name__ == "__main__":
    main()
