"""How closely exported files answer as the models do, on real images of mixed sizes, and how fast.

    python benchmarks/exports.py --data DATA --weights WEIGHTS [--models NAME ...] [--images 500]
        [--formats onnx openvino litert int8]

DATA has cats_dogs/{cat,dog}, gender/{train,val}/{man,woman}, and keypoints/{training,test} with tables;
WEIGHTS has mobilenet.weights.h5 and efficientnet_lite2.onnx. Models are trained on other images than those
they are asked about. Images of the gender set have one size, so they are resized to sizes at random. File and
model are given the same uint8 arrays, the file one at a time. Times are medians, of the model on 60 images
that it is given one at a time, too; first both are given a few to start.
LiteRT's files and the model are given the same squares, and have no closer look; int8 is an ONNX file whose
backbone computes in 8-bit numbers, with ranges from training images.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from transferkit import Backbone, Classifier, ImageRegressor, KeypointRegressor, export, set_config
from transferkit.datasets import read_image_folder, read_keypoints_csv
from transferkit.errors import ExportError

# The format, the end of the file's name, and whether the backbone computes in 8-bit numbers.
FORMATS = {
    "onnx": ("onnx", "onnx", False),
    "openvino": ("openvino", "xml", False),
    "litert": ("litert", "tflite", False),
    "int8": ("onnx", "onnx", True),
}
_START, _TIMED = 3, 60


def cats_dogs(data: Path, n: int) -> tuple[list[Any], Any, list[Any]]:
    paths, labels = read_image_folder(data / "cats_dogs")
    order = np.random.default_rng(0).permutation(len(paths))
    train, test = order[: len(paths) - n], order[-n:]
    return [paths[i] for i in train], np.asarray(labels)[train], [pixels(paths[i]) for i in test]


def gender(data: Path, n: int) -> tuple[list[Any], Any, list[Any]]:
    generator = np.random.default_rng(0)
    paths, labels = read_image_folder(data / "gender" / "train")
    train = generator.permutation(len(paths))[:600]
    others, _ = read_image_folder(data / "gender" / "val")
    sizes = np.exp(generator.uniform(np.log(60), np.log(900), (n, 2))).astype(int)
    chosen = generator.permutation(len(others))[:n]
    test = [pixels(others[i], tuple(size.tolist())) for i, size in zip(chosen, sizes, strict=True)]
    return [paths[i] for i in train], np.asarray(labels)[train], test


def keypoints(data: Path, n: int, n_train: int) -> tuple[list[Any], Any, list[Any]]:
    generator = np.random.default_rng(0)
    table, other = (
        read_keypoints_csv(data / "keypoints" / f"{part}_frames_keypoints.csv")
        for part in ("training", "test")
    )
    train = generator.permutation(len(table.paths))[:n_train]
    test = generator.permutation(len(other.paths))[:n]
    return [table.paths[i] for i in train], table.keypoints[train], [pixels(other.paths[i]) for i in test]


def pixels(path: Path, size: tuple[int, int] | None = None) -> Any:
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return np.array(picture if size is None else picture.resize(size, Image.Resampling.BICUBIC))


def several_labels(data: Path, n: int) -> tuple[list[Any], Any, list[Any]]:
    train, labels, test = cats_dogs(data, n)
    wide = [Image.open(path).size[0] > Image.open(path).size[1] for path in train]
    return train, np.stack([labels == "dog", wide], axis=1).astype(int), test


def values(data: Path, n: int) -> tuple[list[Any], Any, list[Any]]:
    train, labels, test = cats_dogs(data, n)
    bright = [np.asarray(Image.open(path).convert("L")).mean() for path in train]
    return train, np.stack([bright, labels == "dog"], axis=1).astype(float), test


def lite(options: Any) -> Backbone:
    return Backbone.from_onnx(options.weights / "efficientnet_lite2.onnx", mean=127, std=128)


MODELS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "classes, auto": (cats_dogs, lambda _: Classifier("mobilenet")),
    "classes, auto, ONNX backbone": (cats_dogs, lambda options: Classifier(lite(options))),
    "classes, auto, faces": (gender, lambda _: Classifier("mobilenet")),
    "classes, eight views": (gender, lambda _: Classifier("mobilenet", augment="multi")),
    "classes, mlp": (gender, lambda _: Classifier("mobilenet", head="mlp")),
    "classes, conv": (gender, lambda _: Classifier("mobilenet", head="conv")),
    "labels, auto": (several_labels, lambda _: Classifier("mobilenet", threshold="f1")),
    "values, auto": (values, lambda _: ImageRegressor("mobilenet")),
    "points, linear": (
        lambda data, n: keypoints(data, n, 300),
        lambda _: KeypointRegressor("mobilenet", head="linear"),
    ),
    "points, score_map": (
        lambda data, n: keypoints(data, n, 100),
        lambda _: KeypointRegressor("mobilenet", head="score_map"),
    ),
    "points, keypoint_map": (
        lambda data, n: keypoints(data, n, 400),
        lambda _: KeypointRegressor("mobilenet", head="keypoint_map"),
    ),
    "points, linear, whole images": (
        lambda data, n: keypoints(data, n, 300),
        lambda _: KeypointRegressor("mobilenet", head="linear", refine=0),
    ),
    "points, score_map, whole images": (
        lambda data, n: keypoints(data, n, 100),
        lambda _: KeypointRegressor("mobilenet", head="score_map", refine=0),
    ),
    "points, keypoint_map, whole images": (
        lambda data, n: keypoints(data, n, 400),
        lambda _: KeypointRegressor("mobilenet", head="keypoint_map", refine=0),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    options = parser.parse_args()
    os.environ["TRANSFERKIT_WEIGHTS"] = str(options.weights)
    print("| model | format | MB | largest difference | same answer | ms an image | transferkit, ms |")
    print("|---|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        set_config(progress=False, cache=folder)
        for name in options.models:
            read, make = MODELS[name]
            train, y, test = read(options.data, options.images)
            model = make(options).fit(train, y)
            set_config(cache=False)  # every image is computed
            ask = model.predict if model.predictor_.task.regression else model.predict_proba
            asked = {False: (test, *answers_of(ask, test))}
            for label in options.formats:
                format, suffix, in_8_bits = FORMATS[label]
                square = format == "litert"
                if square and len(model.predictor_.refinements):
                    continue
                if square and square not in asked:
                    squares = squares_of(model, test)
                    asked[square] = squares, *answers_of(ask, squares)
                shown, expected, own = asked[square]
                path = Path(folder) / f"model.{suffix}"
                more = {"precision": "int8", "calibration": train[:200], "max_loss": 1.0} if in_8_bits else {}
                try:
                    report = export(model, path, format=format, **more)
                except ExportError as error:  # a format that this model cannot have
                    print(f"| {name} | {label} | none: {error} |", flush=True)
                    continue
                found, spent = timed(opened(path), shown)
                row = compared(model, expected, np.array(found).reshape(len(shown), -1))
                size = report.n_bytes / 1e6
                print(f"| {name} | {label} | {size:.1f} | {row} | {spent:.0f} | {own:.0f} |", flush=True)
            set_config(cache=folder)


def squares_of(model: Any, images: list[Any]) -> list[Any]:
    """Return images as users of a LiteRT file resize them."""
    side = (model.predictor_.extractor.settings().image_size,) * 2
    return [np.array(Image.fromarray(image).resize(side, Image.Resampling.BILINEAR)) for image in images]


def answers_of(ask: Callable[[Any], Any], images: list[Any]) -> tuple[Any, float]:
    """Return the model's answers, and the median of milliseconds of one image."""
    _, spent = timed(lambda image: ask([image])[0], images[:_TIMED])
    return np.asarray(ask(images), dtype=np.float64).reshape(len(images), -1), spent


def timed(run: Callable[[Any], Any], images: list[Any]) -> tuple[Any, float]:
    """Return answers and the median of milliseconds."""
    for image in images[:_START]:
        run(image)
    answers, spent = [], []
    for image in images:
        started = time.perf_counter()
        answers.append(np.asarray(run(image), dtype=np.float64).ravel())
        spent.append(1000 * (time.perf_counter() - started))
    return np.array(answers), float(np.median(spent))


def opened(path: Path) -> Callable[[Any], Any]:
    """Return a function from an image to an answer, as users of the file have it."""
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path))
        return lambda image: session.run(None, {"image": image[None]})[0]
    if path.suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()

        def run(image: Any) -> Any:
            interpreter.set_tensor(entry["index"], image[None])
            interpreter.invoke()
            return interpreter.get_tensor(end["index"])[0]

        return run
    import openvino

    compiled = openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: compiled([image[None]])[0]


def compared(model: Any, expected: Any, found: Any) -> str:
    """Return the largest difference, and the share of images with the same answer."""
    worst, task = np.abs(found - expected).max(), model.predictor_.task
    if task.kind == "classes":
        same = (found.argmax(axis=1) == expected.argmax(axis=1)).mean()
        return f"{worst:.1g} | {100 * same:.1f} %"
    if task.kind == "labels":
        same = ((found > task.thresholds) == (expected > task.thresholds)).all(axis=1).mean()
        return f"{worst:.1g} | {100 * same:.1f} %"
    if task.kind == "values":
        return f"{worst:.1g} of {np.ptp(expected):.3g} |"
    near = (np.abs(found - expected).max(axis=1) <= 0.1).mean()
    return f"{worst:.2g} px | {100 * near:.1f} % within 0.1 px"


if __name__ == "__main__":
    main()
