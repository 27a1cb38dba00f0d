"""Calibration: how much probabilities can be believed after training on few pictures.

    python benchmarks/calibration.py --data DATA --weights WEIGHTS [--heads auto linear mlp]
        [--sizes 20 100 600 1600] [--sets gender cats_dogs chest_xray] [--plot FILE]

DATA has gender/{train,val}, cats_dogs and chest_xray; WEIGHTS has mobilenet.weights.h5. A head is trained on
a random part of the pictures without calibration. Each method is then fitted to the same scores of training
pictures by models that had not seen them, and judged on the same test pictures, which nothing was trained on.
Figures are means over the repeats: ECE is the expected calibration error, in bins with equal numbers of
pictures. It is biased upward: probabilities that are exactly right have one above 0, which the table has as
"chance", drawn from the probabilities of the method in the library. So compare methods, mainly by the log
loss, which no binning disturbs; confidence is the mean probability of the predicted class. The plot is of the
first of two classes, head and number of pictures, over all draws.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import Classifier, set_config
from transferkit.datasets import read_image_folder
from transferkit.heads import LinearHead, TrainingData, Validation, get_head
from transferkit.heads._base import flatten
from transferkit.heads._reduction import Reduction
from transferkit.heads.linear import _centres_without as centres_without
from transferkit.tasks import Classes

REPEATS = {20: 20, 100: 20, 600: 5, 1600: 3}
BINS = 15
PRIOR = (0.5, 0.5)  # mean and deviation of the log of the slope, as of a linear head in the library
OF_A_NETWORK = (-0.6, 0.5)  # the same


def softmax(logits):
    logits = logits - logits.max(axis=1, keepdims=True)
    chances = np.exp(logits)
    return chances / chances.sum(axis=1, keepdims=True)


def both(z):
    """A column for each class, of one logit for two."""
    return np.column_stack([-z / 2, z / 2]) if z.shape[1] == 1 else z


# Methods: held-out logits and classes of training rows, and logits of the test -> probabilities


def uncalibrated(z, y, test):
    return softmax(both(test))


def logistic(z, y, test, strength=100.0):
    """A logistic regression with all slopes free; ideal scores count as one row together."""
    k = max(2, z.shape[1])
    ideal = 2 * np.eye(k) - 1
    if z.shape[1] == 1:
        z, test, ideal = z / 2, test / 2, ideal[:, 1:]
    weight = np.append(np.ones(len(z)), np.full(k, 1 / k))
    model = LogisticRegression(C=strength, max_iter=1000)
    model.fit(np.vstack([z, ideal]), np.append(y, np.arange(k)), sample_weight=weight)
    return model.predict_proba(test)


def fitted(z, y, test, *, smooth, offsets, prior=None):
    """One slope for all classes, by maximum likelihood; with an offset for each."""
    z, test = both(z), both(test)
    k = z.shape[1]
    counts = np.bincount(y, minlength=k)
    target = np.eye(k)[y]
    if smooth:
        target = (target * counts + 1) / (counts[y] + k)[:, None]

    def loss(parameters):
        slope = np.exp(parameters[0])
        offset = parameters[1:] if offsets else np.zeros(k)
        chance = softmax(slope * z + offset)
        gap = chance - target
        value = -(target * np.log(chance + 1e-300)).sum() + 1e-4 * offset @ offset
        grad = [slope * (gap * z).sum(), *((gap.sum(axis=0) + 2e-4 * offset) if offsets else [])]
        if prior is not None:
            mean, deviation = prior
            value += 0.5 * ((parameters[0] - mean) / deviation) ** 2
            grad[0] += (parameters[0] - mean) / deviation**2
        return value, np.array(grad)

    bounds = [(-5, 5)] + [(None, None)] * (k * offsets)
    best = minimize(loss, np.zeros(1 + k * offsets), jac=True, method="L-BFGS-B", bounds=bounds).x
    return softmax(np.exp(best[0]) * test + (best[1:] if offsets else 0.0))


def isotonic(z, y, test):
    """One isotonic regression against the other classes for each, normalised, as in scikit-learn."""
    z, test = both(z), both(test)
    k = z.shape[1]
    columns = []
    for i in range(1 if k == 2 else 0, k):
        model = IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1).fit(z[:, i], y == i)
        columns.append(model.predict(test[:, i]))
    if k == 2:
        return np.column_stack([1 - columns[0], columns[0]])
    chances = np.column_stack(columns)
    total = chances.sum(axis=1, keepdims=True)
    return np.where(total > 0, chances / np.where(total > 0, total, 1), 1 / k)


def logits_of(z, y):
    """The logistic regression of ``logistic``, as a function that returns logits."""
    k = max(2, z.shape[1])
    ideal = (2.0 * np.eye(k) - 1) if k > 2 else np.array([[-2.0], [2.0]])
    weight = np.append(np.ones(len(z)), np.full(k, 1 / k))
    model = LogisticRegression(C=100.0 if k > 2 else 25.0, max_iter=1000)
    model.fit(np.vstack([z, ideal]), np.append(y, np.arange(k)), sample_weight=weight)
    return lambda test: model.decision_function(test).reshape(len(test), -1)


def cross_fitted(z, y, test, **settings):
    """That regression, divided by a temperature for logits of five parts by regressions on the others."""
    held = np.zeros((len(z), z.shape[1]))
    folds = min(5, np.bincount(y).min())
    for rest, part in StratifiedKFold(folds, shuffle=True, random_state=0).split(z, y):
        held[part] = logits_of(z[rest], y[rest])(z[part])
    return fitted(held, y, logits_of(z, y)(test), offsets=False, **settings)


def both_stages(z, y, test, **settings):
    """That regression, divided by a temperature for the same logits."""
    logits = logits_of(z, y)
    return fitted(logits(z), y, logits(test), offsets=False, **settings)


METHODS = {
    "uncalibrated": uncalibrated,
    "logistic (as calibrate=None)": logistic,
    "logistic, C=1": lambda *a: logistic(*a, strength=1.0),
    "temperature": lambda *a: fitted(*a, smooth=False, offsets=False),
    "temperature, smoothed targets": lambda *a: fitted(*a, smooth=True, offsets=False),
    "temperature, prior": lambda *a: fitted(*a, smooth=False, offsets=False, prior=PRIOR),
    "Platt": lambda *a: fitted(*a, smooth=False, offsets=True),
    "Platt, smoothed targets": lambda *a: fitted(*a, smooth=True, offsets=True),
    "Platt, prior": lambda *a: fitted(*a, smooth=False, offsets=True, prior=PRIOR),
    "logistic, then temperature, smoothed": lambda *a: both_stages(*a, smooth=True),
    "logistic, then cross-fitted temperature": lambda *a: cross_fitted(*a, smooth=False),
    "isotonic": isotonic,
    "temperature, prior of a network": lambda *a: fitted(*a, smooth=False, offsets=False, prior=OF_A_NETWORK),
}
OF_NETWORKS = [
    "uncalibrated", "temperature", "temperature, smoothed targets", "temperature, prior of a network",
    "Platt", "isotonic",
]  # fmt: skip


def calibration_error(confidence, right):
    """Expected calibration error of the predicted class, in bins of equal numbers of pictures."""
    bins = np.array_split(np.argsort(confidence, kind="stable"), min(BINS, len(confidence)))
    return sum(abs(confidence[rows].mean() - right[rows].mean()) * len(rows) for rows in bins) / len(right)


def judge(chances, y, generator):
    """ECE, what it would be by chance, log loss, Brier score, confidence and accuracy; shares in %."""
    chances = np.clip(chances, 1e-6, 1)  # isotonic regression has zeros, whose loss would be infinite
    chances /= chances.sum(axis=1, keepdims=True)
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == y
    drawn = [calibration_error(confidence, generator.random(len(y)) < confidence) for _ in range(10)]
    brier = np.square(chances - np.eye(chances.shape[1])[y]).sum(axis=1).mean()
    loss = -np.log(chances[np.arange(len(y)), y]).mean()
    shares = calibration_error(confidence, right), np.mean(drawn)
    return [100 * shares[0], 100 * shares[1], loss, brier, 100 * confidence.mean(), 100 * right.mean()]


class Images:
    """Pictures and classes, and which of them can be trained on and tested."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        parts = [options.data / name / part for part in ("train", "val")] if name == "gender" else []
        tables = [read_image_folder(part) for part in parts or [options.data / name]]
        self.paths = [path for table in tables for path in table[0]]
        labels = np.concatenate([table[1] for table in tables])
        self.classes, self.y = np.unique(labels, return_inverse=True)
        self.n_first = len(tables[0][0]) if parts else None
        self._maps = {}

    def maps(self, head):
        """Features of each view, as the estimator asks for them."""
        if head not in self._maps:
            clf = Classifier(head=head, weights=self.options.weights / "mobilenet.weights.h5")
            extractor, views = clf.plan_extraction(self.classes[self.y])
            features = extractor.extract(self.paths, views=views)
            self._maps = {head: [features.maps(None, view, half=True) for view in views]}
        return self._maps[head]

    def split(self, size, seed):
        """Training and test pictures; None where there are too few."""
        rows = np.arange(len(self.y))
        if self.n_first:
            rest, test = rows[: self.n_first], rows[self.n_first :]
        else:
            rest, test = train_test_split(rows, test_size=0.3, stratify=self.y, random_state=seed)
        if size > len(rest):
            return None
        if size == len(rest):
            return rest, test
        train, _ = train_test_split(rest, train_size=size, stratify=self.y[rest], random_state=seed)
        return train, test


def training(images, views, rows, seed, validation=None, calibrate=None):
    maps = [
        np.concatenate([np.asarray(view[i][rows], np.float32) for view in views])
        for i in range(len(views[0]))
    ]
    n = len(views)
    task = Classes(images.classes)
    return TrainingData(
        maps, np.tile(images.y[rows], n), task, np.ones(n * len(rows)), np.tile(np.arange(len(rows)), n),
        validation, seed, False, calibrate=calibrate,
    )  # fmt: skip


def answers(head, views, rows):
    return np.mean([head.predict([array[rows] for array in view]) for view in views], axis=0)


def linear(images, name, train, test, seed):
    """Held-out scores of the training pictures, scores of the test, and what the library makes of them."""
    (view,) = images.maps(name)
    data = training(images, [view], train, seed)
    ours = get_head(name).fit(replace(data, calibrate="auto"))
    chosen = next((row for row in ours.history if row.get("chosen")), {})  # layers and shares of "auto"
    layers = list(chosen.get("layers", range(len(view))))
    part = replace(data, maps=[data.maps[i] for i in layers])
    reduction = Reduction.fit(part.maps, seed, chosen.get("shares"))
    solution, tried = LinearHead().fit_rows(reduction.rows, part, calibrated=False)
    codes = Classes(images.classes).codes()[data.targets]
    # Without a row, the mean code is further from its class: a score must not tell that.
    held = tried.held_out - centres_without(codes, data.sample_weight, data.groups) + codes.mean(axis=0)
    tested = [np.asarray(view[i][test], np.float32) for i in range(len(view))]
    weights, intercept = reduction.expand(*solution)
    scores = flatten([tested[i] for i in layers]) @ weights + intercept
    times = 2.0 if len(images.classes) == 2 else 1.0  # of two classes, the score less that of the other
    yield "", times * held, images.y[train], times * scores, ours.predict(tested)


def network(images, name, train, test, seed):
    """The same of a network: of the tenth held out for early stopping, and of five folds."""
    views, y, head = images.maps(name), images.y, get_head(name)

    def fit(rows, calibrate=None):
        kept, held = rows, rows[:0]
        if np.bincount(y[rows]).min() >= 10:  # as the estimator holds out
            kept, held = next(
                (rows[a], rows[b])
                for a, b in StratifiedKFold(10, shuffle=True, random_state=seed).split(rows, y[rows])
            )
        view = [np.asarray(array[held], np.float32) for array in views[0]]
        validation = Validation(view, y[held]) if len(held) else None
        return head.fit(training(images, views, kept, seed, validation, calibrate)), held

    raw, held = fit(train)
    ours, _ = fit(train, "auto")
    scores, found = answers(raw, views, test), answers(ours, views, test)
    if len(held):
        yield "tenth: ", answers(raw, views, held), y[held], scores, found
    if images.options.folds:
        folds = np.zeros((len(train), raw.n_outputs))
        for a, b in StratifiedKFold(5, shuffle=True, random_state=seed).split(train, y[train]):
            folds[b] = answers(fit(train[a])[0], views, train[b])
        yield "five folds: ", folds, y[train], scores, found


def compare(images, head, size, repeats):
    figures, generator, drawn = {}, np.random.default_rng(0), []
    parts = [images.split(size, seed) for seed in range(repeats)]
    for seed, part in enumerate(parts):
        if part is None:
            return
        ways = (network if head in ("mlp", "conv") else linear)(images, head, *part, seed)
        for way, z, y, test, ours in ways:
            for name in OF_NETWORKS if way else METHODS:
                chances = METHODS[name](np.asarray(z, float), y, np.asarray(test, float))
                figures.setdefault(way + name, []).append(judge(chances, images.y[part[1]], generator))
            chances = softmax(both(ours))
            drawn.append((images.y[part[1]], logistic(z, y, test), chances))
            figures.setdefault(way + "library, auto", []).append(judge(chances, images.y[part[1]], generator))
    if images.options.plot and len(images.classes) == 2:
        plot(images, drawn)
    print(
        f"\n{images.name}, head {head}, {size} training pictures, {len(part[1])} of the test, {repeats} draws"
    )
    print(f"{'':50}   ECE chance  log loss  (error)  Brier  confid.  accuracy")
    for name, rows in figures.items():
        mean, error = np.mean(rows, axis=0), np.std(rows, axis=0) / np.sqrt(max(1, repeats - 1))
        print(
            f"  {name:48}{mean[0]:6.1f}{mean[1]:7.1f}{mean[2]:10.3f}{error[2]:9.3f}{mean[3]:7.3f}"
            f"{mean[4]:9.1f}{mean[5]:10.1f}",
            flush=True,
        )


def plot(images, drawn):
    """Reliability before and after, over all draws."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from transferkit import plots

    y, before, after = (np.concatenate(part) for part in zip(*drawn, strict=True))
    labels, second = images.classes[y], images.classes[1]
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.6))
    for ax, chances, title in zip(axes, (before, after), ("calibrate=None", 'calibrate="auto"'), strict=True):
        plots.plot_calibration(labels, chances, classes=images.classes, pos_label=second, n_bins=BINS, ax=ax)
        ax.set_title(title)
    figure.tight_layout()
    figure.savefig(images.options.plot, dpi=80)
    images.options.plot = None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--heads", nargs="+", default=["linear", "auto", "mlp"])
    parser.add_argument("--sizes", nargs="+", type=int, default=list(REPEATS))
    parser.add_argument("--sets", nargs="+", default=["gender", "cats_dogs", "chest_xray"])
    parser.add_argument("--repeats", type=int, help="by default 20 of few pictures, and fewer of more")
    parser.add_argument("--plot", help="draw reliability before and after into this file")
    parser.add_argument(
        "--folds", action="store_true", help="of networks, train five more for held-out logits"
    )
    parser.add_argument("--cache", default=True, help="folder of the cache; by default the usual one")
    options = parser.parse_args()
    set_config(progress=False, cache=options.cache)
    for name in options.sets:
        images = Images(name, options)
        for head in options.heads:
            for size in options.sizes:
                repeats = options.repeats or REPEATS.get(size, 5)
                compare(images, head, size, min(repeats, 5) if head in ("mlp", "conv") else repeats)


if __name__ == "__main__":
    main()
