"""What each idea brings to the accuracy of the default classifier, by exact held-out errors.

    python benchmarks/classification.py --data DATA --weights WEIGHTS
        [--only grids pooling products_of_channels scaling whitening kernel local scattering views moved
                backbones network selection chest]
        [--sets cats_dogs chest_xray gender]

DATA as for accuracy.py; the results are on the page docs/accuracy.md. Ridge regression on the inner products
of the rows gives the score of every image by a model without it. Each line has the squared error (of scores,
classes are -1 and 1), the log-loss after a logistic calibration of the scores, and the accuracy, each with
its paired difference from the first line and the standard error. "selection" is nested instead: choices are
made on training rows, and errors are those of test rows, in five shuffles (five folds each, or 1,000 test
images of the faces; the first time the folder val).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.linalg import cho_factor, cho_solve
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit, cross_val_predict

from transferkit import FeatureExtractor
from transferkit.datasets import read_image_folder
from transferkit.foundation.maps import pool_to_grid
from transferkit.heads import auto
from transferkit.views import AUGMENTATIONS, MEANS, ORIGINAL, Square, View

LAYERS = ("conv_pw_5_relu", "conv_pw_8_relu", "conv_pw_12_relu", "last")
GRIDS = (2, 7, 2, 1)
LAYERS_V2, GRIDS_V2 = (
    ("block_6_expand_relu", "block_10_expand_relu", "block_13_expand_relu", "last"),
    (3, 7, 3, 1),
)
FAVOURITE = {"gender": 1, "cats_dogs": 3, "chest_xray": None}  # what "auto" takes most: 16 times the variance
SHUFFLES = 5


class Images:
    """A set of images, their classes, and features that are extracted once."""

    def __init__(self, name, data):
        self.name = name
        folders = [data / name / part for part in ("train", "val")] if name == "gender" else [data / name]
        parts = [read_image_folder(folder) for folder in folders]
        self.paths = [path for part in parts for path in part[0]]
        self.n_first = len(parts[0][0])
        self.classes, self.y = np.unique(np.concatenate([part[1] for part in parts]), return_inverse=True)
        self.codes = 2.0 * np.eye(len(self.classes))[self.y] - 1
        self._kept = {}

    def maps(self, backbone="mobilenet", layers=LAYERS, grid=7, view=MEANS["mirror"], size=None, images=None):
        key = (backbone, layers, grid, view.name, size)
        if images is not None or key not in self._kept:
            extractor = FeatureExtractor(
                backbone, layers=list(layers), grid=grid, image_size=size, cache=False, progress=False
            )
            features = extractor.extract(self.paths if images is None else images, views=(view,))
            if images is not None:
                return features.maps()
            self._kept[key] = features.maps(half=True)
        return self._kept[key]


def gram(maps, *, power=1.0, change=None, unit=False, shrinkage=None):
    """Return inner products of centred rows with mean diagonal 1.

    Channels are divided by a power of their deviation; with a shrinkage, those of maps are decorrelated too.
    """
    maps = np.asarray(maps, np.float32)
    maps = maps if change is None else change(maps)
    rows = scaled(maps, power).reshape(len(maps), -1)
    if shrinkage is not None and maps.ndim > 2 and maps.shape[1] > 1:
        cells = rows.reshape(-1, maps.shape[-1])
        values, vectors = np.linalg.eigh(cells.T @ cells / len(cells))
        whitener = (vectors / np.sqrt(np.maximum(values, 0) + shrinkage * values.mean())) @ vectors.T
        rows = (cells @ whitener).reshape(rows.shape)
    if unit:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return centred(rows @ rows.T)


def scaled(maps, power=1.0, n_first=None):
    """Return centred maps whose channels are divided by a power of their deviation in the first rows."""
    rows = maps.reshape(len(maps), -1)
    rows = rows - rows[:n_first].mean(axis=0)
    variance = (rows[:n_first] ** 2).mean(axis=0)
    if maps.ndim > 2:
        channels = variance.reshape(-1, maps.shape[-1]).mean(axis=0)
        variance = np.tile(channels, len(variance) // len(channels))
    return (rows * np.maximum(variance, 1e-3 * variance.mean()) ** (-power / 2)).reshape(maps.shape)


def centred(products):
    mean = products.mean(axis=0)
    products = products - mean - mean[:, None] + mean.mean()
    return products * (len(products) / np.trace(products))


def gaussian(products, width):
    squares = np.diag(products)
    distances = squares + squares[:, None] - 2 * products
    return centred(np.exp(-width * distances / distances.mean()))


def held_out(products, codes):
    """Return scores of each row by the model without it, at the best penalty, and that penalty."""
    best = None
    for power in np.arange(-5, 0.01, 0.5):
        matrix = products + len(codes) * 10.0**power * np.eye(len(codes))
        inverse = cho_solve(cho_factor(matrix, overwrite_a=True), np.eye(len(codes)))
        sums = inverse.sum(axis=0)
        inverse -= np.outer(sums, sums) / sums.sum()
        scores = codes - (inverse @ codes) / np.diag(inverse)[:, None]
        error = np.square(scores - codes).mean()
        if best is None or error < best[0]:
            best = error, scores, 10.0**power
    return best[1:]


def outcome(scores, codes, y, calibration=None):
    """Return squared error, log-loss and correctness of each row."""
    model = calibration or LogisticRegression(C=100, max_iter=1000).fit(scores, y)
    chance = np.clip(model.predict_proba(scores)[np.arange(len(y)), y], 1e-9, 1)
    return np.square(scores - codes).mean(axis=1), -np.log(chance), 100.0 * (scores.argmax(axis=1) == y)


class Table:
    """Lines of figures, each with its paired difference from the first."""

    def __init__(self, title, repeats=1):
        print(f"\n## {title}", flush=True)
        self.first, self.repeats = None, repeats

    def line(self, name, figures):
        self.first = figures if self.first is None else self.first
        words = []
        for label, format_, new, old in zip(
            ("squared", "log-loss", "accuracy"), (".4f", ".4f", ".2f"), figures, self.first, strict=True
        ):
            error = (new - old).std() / np.sqrt(len(new) / self.repeats)
            words.append(
                f"{label} {new.mean():{format_}} ({(new - old).mean():+{format_}} ± {error:{format_}})"
            )
        print(f"{name:44} {', '.join(words)}", flush=True)

    def held_out(self, name, products, data):
        self.line(name, outcome(held_out(products, data.codes)[0], data.codes, data.y))


def mixture(parts, favourite):
    """Return equal shares, or one part with 16 times the variance of the others."""
    return sum(parts) + (0 if favourite is None else 15 * parts[favourite])


def default_parts(data, **more):
    return [
        gram(pool_to_grid(np.asarray(maps, np.float32), grid), **more)
        for maps, grid in zip(data.maps(), GRIDS, strict=True)
    ]


def grids(data):
    table, favourite = Table(f"{data.name}: grids of the four layers"), FAVOURITE[data.name]
    for cells in (GRIDS, (2, 7, 2, 2), (2, 7, 2, 3), (2, 7, 2, 7), (2, 7, 4, 4), (7, 7, 2, 1)):
        parts = [
            gram(pool_to_grid(np.asarray(m, np.float32), g)) for m, g in zip(data.maps(), cells, strict=True)
        ]
        table.held_out(str(cells), mixture(parts, favourite), data)


def pooling(data):
    table, favourite = Table(f"{data.name}: a layer of maxima or deviations more"), FAVOURITE[data.name]
    base = centred(mixture(default_parts(data), favourite))
    table.held_out("means", base, data)
    for position in (1, 3):
        more = {"maxima": [], "deviations": []}
        for start in range(0, len(data.paths), 50):
            layers, images = (LAYERS[position],), data.paths[start : start + 50]
            maps = data.maps(layers=layers, grid="full", images=images)[0]
            side = 7 if maps.shape[1] > 7 else 1
            shape = (len(maps), side, maps.shape[1] // side, side, maps.shape[2] // side, -1)
            more["maxima"].append(maps.reshape(shape).max(axis=(2, 4)))
            more["deviations"].append(maps.reshape(shape).std(axis=(2, 4)))
        for name, blocks in more.items():
            table.held_out(f"a quarter {name} of {layers[0]}", 3 * base + gram(np.concatenate(blocks)), data)


def products_of_channels(data):
    """Mean products of pairs of decorrelated channels, of a whole image or of 2 x 2 cells."""
    table = Table(f"{data.name}: products of channels more")
    base = centred(mixture(default_parts(data), FAVOURITE[data.name]))
    table.held_out("means", base, data)
    generator = np.random.default_rng(0)
    for layer in LAYERS[:3]:
        some = [data.paths[i] for i in generator.permutation(len(data.paths))[:200]]
        cells = data.maps(layers=(layer,), grid="full", images=some)[0]
        cells = cells.reshape(-1, cells.shape[-1])
        mean, (values, vectors) = cells.mean(axis=0), np.linalg.eigh(np.cov(cells, rowvar=False))
        found = {}
        for start in range(0, len(data.paths), 100):
            maps = data.maps(layers=(layer,), grid="full", images=data.paths[start : start + 100])[0] - mean
            for n in (16, 48):
                some = maps @ (vectors[:, -n:] / np.sqrt(values[-n:])).astype(np.float32)
                pairs = np.triu_indices(n)
                for side in (1, 2):
                    parts = [
                        part.reshape(len(maps), -1, n)
                        for rows in np.array_split(some, side, axis=1)
                        for part in np.array_split(rows, side, axis=2)
                    ]
                    products = [part.transpose(0, 2, 1) @ part / part.shape[1] for part in parts]
                    products = np.stack(products, axis=1)[:, :, *pairs]
                    found.setdefault((n, side), []).append(np.sign(products) * np.sqrt(np.abs(products)))
        for (n, side), blocks in found.items():
            rows = np.concatenate(blocks)[:, None]  # a map, whose channels are scaled
            own = gram(rows)
            table.held_out(f"half of {layer}, {n} channels, {side} x {side} cells", base + own, data)
            table.held_out("the same, a quarter", 3 * base + own, data)


def scaling(data):
    table, favourite = Table(f"{data.name}: scales of channels"), FAVOURITE[data.name]
    for name, more in (
        ("divided by their deviation", {}), ("by its root", {"power": 0.5}), ("raw", {"power": 0.0}),
        ("square roots of activations", {"change": np.sqrt}), ("rows of length 1", {"unit": True}),
    ):  # fmt: skip
        table.held_out(name, mixture(default_parts(data, **more), favourite), data)


def whitening(data):
    table, favourite = Table(f"{data.name}: channels of maps decorrelated"), FAVOURITE[data.name]
    table.held_out("not decorrelated", mixture(default_parts(data), favourite), data)
    for shrinkage in (3.0, 1.0, 0.3, 0.1):
        products = mixture(default_parts(data, shrinkage=shrinkage), favourite)
        table.held_out(f"shrinkage {shrinkage}", products, data)


def kernel(data):
    table = Table(f"{data.name}: a Gaussian kernel")
    base = centred(mixture(default_parts(data), FAVOURITE[data.name]))
    table.held_out("linear", base, data)
    for width in (0.25, 0.5, 1.0):
        table.held_out(f"width {width}", gaussian(base, width), data)


def local(data):
    table = Table(f"{data.name}: a Gaussian kernel for each of 7 x 7 cells, summed")
    base = centred(mixture(default_parts(data), FAVOURITE[data.name]))
    table.held_out("linear", base, data)
    cells = [scaled(pool_to_grid(np.asarray(maps, np.float32), 7)) for maps in data.maps()[:3]]
    cells = [cell for maps in cells for cell in np.moveaxis(maps.reshape(len(maps), 49, -1), 1, 0)]
    for width in (0.5, 1.0):
        products = centred(sum(gaussian(centred(cell @ cell.T), width) for cell in cells))
        table.held_out(f"width {width}, without the last layer", products, data)
        table.held_out(f"width {width}, and linear", products + base, data)


def scattering(data):
    table = Table(f"{data.name}: without pretrained weights, a Gaussian kernel")
    maps = [np.asarray(each, np.float32) for each in data.maps("scattering", ("last",), "full")]
    base = centred(sum(gram(each) for each in maps))
    table.held_out("linear", base, data)
    for width in (0.25, 0.5, 1.0):
        table.held_out(f"width {width}", gaussian(base, width), data)


def views(data):
    table, favourite = Table(f"{data.name}: views"), FAVOURITE[data.name]
    zoom = View("mean:zoom", tuple(square for view in AUGMENTATIONS["multi"][2:4] for square in view.squares))
    products = {}
    for name, view in (
        ("mirror", MEANS["mirror"]),
        ("original", ORIGINAL),
        ("multi", MEANS["multi"]),
        ("zoom", zoom),
    ):
        products[name] = centred(mixture([gram(m) for m in data.maps(grid=GRIDS, view=view)], favourite))
        table.held_out(name, products[name], data)
    table.held_out("mirror and zoom side by side", products["mirror"] + products["zoom"], data)
    for size in (160, 320):
        other = centred(mixture([gram(m) for m in data.maps(grid=GRIDS, size=size)], favourite))
        table.held_out(f"{size} pixels", other, data)
        table.held_out(f"224 and {size} pixels side by side", products["mirror"] + other, data)


def moved(data):
    """Learn from moved squares as rows; five folds, errors at the penalty that is best for them."""
    table = Table(f"{data.name}: squares moved, zoomed and turned, as rows of their own")
    products, n = rows_of_views(data, [MEANS["mirror"], *MOVED]), len(data.y)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(data.y, data.y))
    for name, n_train, n_test in (
        ("the image and its mirror image", 1, 1),
        ("and four moved ones to learn from", 5, 1),
        ("and to predict from", 5, 5),
    ):
        found = []
        for power in np.arange(-5, -1.9, 0.5):
            scores = np.empty_like(data.codes)
            for train, test in folds:
                rows = np.concatenate([train + n * view for view in range(n_train)])
                codes = np.tile(data.codes[train], (n_train, 1))
                own = products[np.ix_(rows, rows)] + len(rows) * 10.0**power * np.eye(len(rows))
                # With an intercept, which is not penalised.
                duals = cho_solve(
                    cho_factor(own, overwrite_a=True), np.column_stack([codes, np.ones(len(rows))])
                )
                shift = duals[:, :-1].sum(axis=0) / duals[:, -1].sum()
                duals = duals[:, :-1] - duals[:, -1:] * shift
                scores[test] = shift + np.mean(
                    [products[np.ix_(test + n * view, rows)] @ duals for view in range(n_test)], axis=0
                )
            found.append((np.square(scores - data.codes).mean(), scores))
        table.line(name, outcome(min(found, key=lambda each: each[0])[1], data.codes, data.y))


MOVED = [
    View(
        f"moved:{zoom},{angle},{shift}",
        tuple(Square(mirror, zoom, angle, shift) for mirror in (False, True)),
    )
    for zoom, angle, shift in (
        (1.15, 0.0, (0.0, 0.0)), (1.1, 8.0, (0.0, 0.0)), (1.1, 0.0, (0.04, 0.04)), (1.1, 0.0, (-0.04, 0.04)),
    )
]  # fmt: skip


def rows_of_views(data, views):
    """Return inner products of the rows of all views, view after view, scaled as those of the first."""
    favourite, products = FAVOURITE[data.name], 0
    for position, (layer, grid) in enumerate(zip(LAYERS, GRIDS, strict=True)):
        rows = [np.asarray(data.maps(layers=(layer,), grid=grid, view=view)[0], np.float32) for view in views]
        part = scaled(np.concatenate(rows), n_first=len(data.y)).reshape(len(views) * len(data.y), -1)
        part = part @ part.T
        own = np.trace(part[: len(data.y), : len(data.y)]) / len(data.y)
        products = products + part * ((16 if position == favourite else 1) / own)
    return products * (len(data.y) / np.trace(products[: len(data.y), : len(data.y)]))


def backbones(data):
    table, favourite = Table(f"{data.name}: two backbones"), FAVOURITE[data.name]
    one = centred(mixture(default_parts(data), favourite))
    two = [gram(m) for m in data.maps("mobilenet_v2", LAYERS_V2, GRIDS_V2)]
    two = centred(mixture(two, favourite))
    table.held_out("mobilenet", one, data)
    table.held_out("mobilenet_v2", two, data)
    table.held_out("features side by side", one + two, data)
    mean = (held_out(one, data.codes)[0] + held_out(two, data.codes)[0]) / 2
    table.line("mean of the scores", outcome(mean, data.codes, data.y))


def network(data):
    """Networks on 7 x 7 cells, trained in five folds; probabilities by logistic regression in five others."""
    table = Table(f"{data.name}: a small convolutional network beside the linear head")
    base = centred(mixture(default_parts(data), FAVOURITE[data.name]))
    linear, _ = held_out(base, data.codes)
    maps = np.concatenate(
        [decorrelated(pool_to_grid(np.asarray(m, np.float32), 7), 192) for m in data.maps()[:3]], axis=-1
    )
    logits = np.empty_like(data.codes)
    for seed, (train, test) in enumerate(
        StratifiedKFold(5, shuffle=True, random_state=0).split(data.y, data.y)
    ):
        logits[test] = np.asarray(trained_network(maps[train], data.codes[train], seed)(maps[test]))
    for name, columns in (("linear", [linear]), ("network", [logits]), ("both", [linear, logits])):
        chances = cross_val_predict(
            LogisticRegression(max_iter=2000),
            np.concatenate(columns, axis=1),
            data.y,
            method="predict_proba",
            cv=StratifiedKFold(5, shuffle=True, random_state=1),
        )
        right = np.clip(chances[np.arange(len(data.y)), data.y], 1e-9, 1)
        squares = np.square(2 * chances - 1 - data.codes).mean(axis=1)
        table.line(name, (squares, -np.log(right), 100.0 * (chances.argmax(axis=1) == data.y)))


def decorrelated(maps, n, shrinkage=0.3):
    """Return maps in their n first principal directions, of about equal variance."""
    maps = scaled(maps)
    cells = maps.reshape(-1, maps.shape[-1])
    values, vectors = np.linalg.eigh(cells.T @ cells / len(cells))
    found = maps @ (vectors[:, -n:] / np.sqrt(values[-n:] + shrinkage * values.mean())).astype(np.float32)
    return found / found.std(axis=(0, 1, 2))


def trained_network(maps, codes, seed, epochs=30, batch=64):
    """Return a Keras network of one convolution, trained with dropout and smooth labels."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    activation = {"activation": "leaky_relu"}
    model = keras.Sequential([
        keras.Input(maps.shape[1:]), layers.SpatialDropout2D(0.2), layers.Conv2D(64, 1, **activation),
        layers.SpatialDropout2D(0.2), layers.Conv2D(32, 3, **activation), layers.Flatten(),
        layers.Dropout(0.5), layers.Dense(codes.shape[1]),
    ])  # fmt: skip
    steps = epochs * -(-len(maps) // batch)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=1e-3, warmup_steps=steps // 20)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.3), loss, jit_compile=False)
    model.fit(maps, (codes + 1) / 2, epochs=epochs, batch_size=batch, verbose=0)
    return model


def selection(data):
    parts, y, codes = default_parts(data), data.y, data.codes
    candidates = [np.array([shares.get(i, 0.0) for i in range(4)]) for shares in auto._candidates(4)]
    figures = {}
    for seed in range(SHUFFLES):
        if data.name == "gender":
            splits = StratifiedShuffleSplit(1, test_size=1000, random_state=seed).split(y, y)
            splits = [(np.arange(data.n_first), np.arange(data.n_first, len(y)))] if seed == 0 else splits
        else:
            splits = StratifiedKFold(5, shuffle=True, random_state=seed).split(y, y)
        for train, test in splits:
            some = np.random.default_rng(seed).permutation(train)[:1000]
            inner = [centred(part[np.ix_(some, some)]) for part in parts]
            errors = []
            for shares in candidates:
                scores, _ = held_out(
                    sum(s * part for s, part in zip(shares, inner, strict=True)), codes[some]
                )
                errors.append(np.square(scores - codes[some]).mean(axis=1))
            means, gains = np.mean(errors, axis=1), errors[0] - np.array(errors)
            sure = gains.mean(axis=1) > gains.std(axis=1) / np.sqrt(len(some))
            order = np.argsort(means)
            choices = {
                "the best, if surely better than equal": candidates[order[0] if sure[order[0]] else 0],
                "equal shares": candidates[0],
                "the mean of the best three": np.mean([candidates[i] for i in order[:3]], axis=0),
                "the mean of the best five": np.mean([candidates[i] for i in order[:5]], axis=0),
            }
            for name, shares in choices.items():
                mixed = sum(s * part for s, part in zip(shares, parts, strict=True))
                figures.setdefault(name, []).append(tested(mixed, codes, y, train, test))
    table = Table(f"{data.name}: what is fitted", 1 if data.name == "gender" else SHUFFLES)
    for name, each in figures.items():
        table.line(name, [np.concatenate(part) for part in zip(*each, strict=True)])


def tested(products, codes, y, train, test):
    """Return the figures of test rows by a model of the training rows."""
    own, cross = products[np.ix_(train, train)], products[np.ix_(test, train)]
    mean, size = own.mean(axis=0), np.trace(centred(own)) / (np.trace(own) - len(own) * own.mean())
    own, cross = centred(own), (cross - cross.mean(axis=1, keepdims=True) - mean + mean.mean()) * size
    scores, penalty = held_out(own, codes[train])
    duals = np.linalg.solve(
        own + len(train) * penalty * np.eye(len(train)), codes[train] - codes[train].mean(axis=0)
    )
    calibration = LogisticRegression(C=100, max_iter=1000).fit(scores, y[train])
    return outcome(cross @ duals + codes[train].mean(axis=0), codes[test], y[test], calibration)


def chest(data):
    if data.name != "chest_xray":
        return
    table, wrong = Table("chest_xray: size, contrast, or labels?"), {}
    pictures = [Image.open(path).convert("L").resize((512, 512)) for path in data.paths]
    small = [image.resize((112, 112), Image.Resampling.BOX).resize((512, 512)) for image in pictures]
    for name, more in (
        ("as they are, 224 pixels", {}), ("160 pixels", {"size": 160}), ("320 pixels", {"size": 320}),
        ("no more than 112 pixels of detail", {"images": small}),
        ("contrast stretched", {"images": [ImageOps.autocontrast(image, cutoff=1) for image in pictures]}),
        ("histograms equalised", {"images": [ImageOps.equalize(image) for image in pictures]}),
        ("mobilenet_v2", {"backbone": "mobilenet_v2", "layers": LAYERS_V2}),
    ):  # fmt: skip
        if "images" in more:
            more["images"] = [np.asarray(image.convert("RGB")) for image in more["images"]]
        grid = GRIDS_V2 if "backbone" in more else GRIDS
        scores, _ = held_out(sum(gram(m) for m in data.maps(grid=grid, **more)) / 4, data.codes)
        table.line(name, outcome(scores, data.codes, data.y))
        wrong[name] = scores.argmax(axis=1) != data.y
        if not more:
            confusion = np.zeros((3, 3), int)
            np.add.at(confusion, (data.y, scores.argmax(axis=1)), 1)
            print(f"{data.classes.tolist()}, rows are true: {confusion.tolist()}")
    names = ("as they are, 224 pixels", "160 pixels", "320 pixels", "mobilenet_v2")
    common = np.all([wrong[name] for name in names], axis=0).sum()
    print(f"wrong: {[int(wrong[name].sum()) for name in names]}, by all four {common}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {part.__name__: part for part in
             (grids, pooling, products_of_channels, scaling, whitening, kernel, local, scattering, views,
              moved, backbones, network, selection, chest)}  # fmt: skip
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--sets", nargs="+", choices=FAVOURITE, default=["cats_dogs", "chest_xray", "gender"])
    options = parser.parse_args()
    os.environ["TRANSFERKIT_WEIGHTS"] = str(options.weights)
    for name in options.sets:
        data = Images(name, options.data)
        for part in options.only:
            parts[part](data)


if __name__ == "__main__":
    main()
