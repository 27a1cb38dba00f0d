"""A grid search: what the backbone sees, and the time beside a pipeline that extracts in every fit.

    python benchmarks/grid_search.py --data DATA --weights WEIGHTS [--settings 40] [--folds 5]

DATA has gender/train/{man,woman}, WEIGHTS has mobilenet.weights.h5. Both searches are scikit-learn's
GridSearchCV over penalties of a ridge classifier on the averages of MobileNet's last layer, in one process.
Images are counted where they enter the engine (a mirror image is one more, an exact copy is none); cache and
engine are new for each search. The transformer of the pipeline is Keras's `model.predict`: how often it would
see an image is counted in a real search on known features, with and without the pipeline's own `memory`, and
the time that takes is *extrapolated* from 160 images.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import Classifier, FeatureExtractor, config_context, engines
from transferkit.datasets import read_image_folder
from transferkit.heads import LinearHead

SIZE, SAMPLE = 224, 160


class Counter:
    """Counts images; threads of one extraction share it."""

    def __init__(self) -> None:
        self.seen, self.lock = 0, threading.Lock()

    def add(self, n: int) -> None:
        with self.lock:
            self.seen += n

    def counting(self, make: Callable) -> Callable:
        """Return a maker of engines that count what they run."""

        def counted(request: engines.EngineRequest) -> engines.Engine:
            engine = make(request)

            def run(pixels, *keep):
                self.add(len(pixels))
                return engine.run(pixels, *keep)

            return replace(engine, run=run)

        return counted


class Known(TransformerMixin, BaseEstimator):
    """The transformer of the pipeline, with features that are known: it counts what it would extract."""

    counter = Counter()
    rows: dict[Path, np.ndarray]

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        self.counter.add(len(X))
        return np.stack([self.rows[path] for path in X])

    def __sklearn_is_fitted__(self) -> bool:
        return True


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def cached(paths: list[Path], labels, weights: Path, penalties, folds: int, augment: str | None) -> None:
    counter = Counter()
    makers = dict(engines.ENGINES)
    engines.ENGINES.update({name: counter.counting(make) for name, make in makers.items()})
    classifier = Classifier(
        "mobilenet", weights=weights, head=LinearHead(), layers="last", grid=1, augment=augment
    )
    search = GridSearchCV(classifier, {"head__penalty": penalties}, cv=folds)
    with tempfile.TemporaryDirectory() as folder, config_context(cache=folder):
        spent = seconds(lambda: search.fit(paths, labels))
    engines.ENGINES.update(makers)
    tell(f"transferkit, augment={augment!r}", counter.seen, f"{spent:8.1f} s  measured", search.best_score_)


def extraction_time(paths: list[Path], weights: Path) -> float:
    """Return the seconds per image of what tutorials write."""
    from keras.applications.mobilenet import MobileNet, preprocess_input
    from keras.utils import img_to_array, load_img

    model = MobileNet(include_top=False, weights=weights, input_shape=(SIZE, SIZE, 3), pooling="avg")

    def extract(some: list[Path]) -> None:
        pixels = np.stack([img_to_array(load_img(path, target_size=(SIZE, SIZE))) for path in some])
        model.predict(preprocess_input(pixels), verbose=0)

    extract(paths[:32])  # traces, and warms up
    return seconds(lambda: extract(paths[:SAMPLE])) / SAMPLE


def extracting(name: str, paths, labels, penalties, folds: int, each: float, memory: str | None) -> None:
    Known.counter = Counter()
    pipeline = make_pipeline(Known(), StandardScaler(), RidgeClassifier(), memory=memory)
    # LinearHead: the mean error, rows of norm 1. Here: the sum of errors, columns of variance 1.
    alphas = np.asarray(penalties) * len(paths) * len(next(iter(Known.rows.values())))
    search = GridSearchCV(pipeline, {"ridgeclassifier__alpha": alphas}, cv=folds)
    heads = seconds(lambda: search.fit(paths, labels))
    seen = Known.counter.seen
    total = f"{heads + seen * each:8.0f} s  EXTRAPOLATED: {heads:.1f} s measured for all else"
    tell(name, seen, total, search.best_score_)


def tell(name: str, seen: int, time_spent: str, score: float) -> None:
    print(f"{name:36} {seen:9,} images  best accuracy {score:.1%}  {time_spent}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--settings", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--images", type=int, help="fewer images, to see that it works")
    options = parser.parse_args()
    weights = options.weights / "mobilenet.weights.h5"
    found, labels = read_image_folder(options.data / "gender" / "train")
    chosen = np.random.default_rng(0).permutation(len(found))[: options.images]
    paths, labels = [found[i] for i in chosen], np.asarray(labels)[chosen]
    penalties = np.logspace(-4, 2, options.settings)
    grid = f"{options.settings} penalties x {options.folds} folds, and the best on all"
    contents = len({sha256(path.read_bytes()).digest() for path in paths})
    print(f"{len(paths)} faces, {contents} of them different; {grid}; {os.cpu_count()} cores")
    with config_context(progress=False, engine="auto"):
        for augment in (None, "mirror"):
            cached(paths, labels, weights, penalties, options.folds, augment)
        extractor = FeatureExtractor("mobilenet", weights=weights, grid=1, cache=False)
        Known.rows = dict(zip(paths, extractor.transform(paths), strict=True))
    each = extraction_time(paths, weights)
    print(f"model.predict from files: {1e3 * each:.1f} ms per image, the mean of {min(SAMPLE, len(paths))}")
    with tempfile.TemporaryDirectory() as folder:
        for name, memory in (("pipeline", None), ("pipeline with memory=", folder)):
            extracting(name, paths, labels, penalties, options.folds, each, memory)


if __name__ == "__main__":
    main()
