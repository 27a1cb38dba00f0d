"""The command line: thin wrappers; results on stdout, progress and complaints on stderr."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferkit._version import __version__
from transferkit.cli._flags import in_flags
from transferkit.errors import InvalidInputError, TransferKitError

HEADS = ("auto", "linear", "mlp", "conv", "keypoint_map")
EXIT_MISTAKE = 2
EXIT_SOME_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0 done, 1 some images failed, 2 a mistake of the user."""
    options = _parser().parse_args(arguments)
    # A missing GPU is no error here; TensorFlow reports it as one in every process.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        code: int = options.run(options)
        return code
    except (TransferKitError, OSError) as error:
        _complain(error, options)
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        print(
            "transferkit: interrupted. Features computed so far are cached; the same command goes on "
            "from there.",
            file=sys.stderr,
        )
        return 130


def _demo(options: argparse.Namespace) -> int:
    from transferkit.cli.demo import run_demo

    print(run_demo(Path(options.output), n=options.images, random_state=options.seed))
    return 0


def _train(options: argparse.Namespace) -> int:
    from transferkit.cli.train import train_and_report

    print(
        train_and_report(
            Path(options.data),
            Path(options.output),
            test_fraction=options.test_fraction,
            random_state=options.seed,
            image_folder=options.image_folder,
            backbone=options.backbone,
            **({} if options.head is None else {"head": options.head}),
            weights=None if options.weights == "none" else options.weights,
            image_size=options.image_size,
        )
    )
    return 0


def _predict(options: argparse.Namespace) -> int:
    from transferkit import load
    from transferkit.estimators import Classifier

    model = load(options.model, **({} if options.weights is None else {"weights": options.weights}))
    paths = _image_paths(options.images)
    is_classifier = isinstance(model, Classifier)
    if is_classifier:
        header = ["path", "label", *(f"p_{label}" for label in model.classes_)]
    else:
        header = ["path", *(f"{axis}{i}" for i in range(model.n_points_) for axis in "xy")]
    write: Any = csv.writer(sys.stdout).writerow if options.csv else _print_tabbed
    failed = 0
    features = model.extract(paths, on_error="skip")
    write(header)
    for failure in features.report.failures:
        _complain(failure, options)
        failed += 1
    good = [path for path, ok in zip(paths, features.ok, strict=True) if ok]
    if good and is_classifier:
        for path, chances in zip(good, model.predict_proba(good), strict=True):
            write([path, model.classes_[chances.argmax()], *(f"{chance:.4f}" for chance in chances)])
    elif good:
        for path, points in zip(good, model.predict(good).reshape(len(good), -1), strict=True):
            write([path, *(f"{value:.2f}" for value in points)])
    return EXIT_SOME_FAILED if failed else 0


def _evaluate(options: argparse.Namespace) -> int:
    from transferkit import evaluate, load

    model = load(options.model, **({} if options.weights is None else {"weights": options.weights}))
    X, y = _read_data(options)
    named = {str(label): label for label in getattr(model, "classes_", [])}
    evaluation = evaluate(
        model,
        X,
        y,
        pos_label=named.get(options.pos_label, options.pos_label),
        normalizer=_number_or_name(options.normalizer),
        on_error="skip",
    )
    return _print_report(evaluation, options)


def _number_or_name(text: str | None) -> float | str | None:
    """Return a number where there is one: pixels that errors are divided by, in place of a distance."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _compare(options: argparse.Namespace) -> int:
    from transferkit import Classifier, KeypointRegressor, compare

    X, y = _read_data(options)
    kind = KeypointRegressor if Path(options.data).suffix.lower() == ".csv" else Classifier
    weights = None if options.weights == "none" else options.weights
    comparison = compare(
        [name.strip() for name in options.backbones.split(",")],
        X,
        y,
        estimator=kind(weights=weights, image_size=options.image_size),
        metric=options.metric,
        cv=options.cv,
    )
    return _print_report(comparison, options)


def _read_data(options: argparse.Namespace) -> Any:
    """Return paths, and labels or keypoints."""
    from transferkit.datasets import read_image_folder, read_keypoints_csv

    if options.data.lower().endswith(".csv"):
        return read_keypoints_csv(options.data, image_folder=options.image_folder)
    return read_image_folder(options.data)


def _print_report(report: Any, options: argparse.Namespace) -> int:
    """Print tables or JSON, and name what is left out."""
    print(json.dumps(report.to_dict(), indent=2) if options.json else in_flags(str(report), options))
    for failure in report.skipped:
        _complain(failure, options)
    return EXIT_SOME_FAILED if report.skipped or getattr(report, "failed", []) else 0


def _backbones(options: argparse.Namespace) -> int:
    from transferkit import get_backbone, list_backbones

    rows = [get_backbone(name) for name in list_backbones(options.pattern)]
    if not rows:
        raise InvalidInputError(
            f"No backbone matches {options.pattern!r}. Try 'resnet*', or nothing for all."
        )
    print(f"{'name':22} {'image size':>10} {'min size':>9}  weights")
    for row in rows:
        source = row.weights_file or ("your own" if row.pretrained else "none needed")
        print(f"{row.name:22} {row.image_size:>10} {row.min_size:>9}  {source}")
    return 0


def _cache(options: argparse.Namespace) -> int:
    from transferkit import FeatureCache

    cache = FeatureCache(options.folder)
    if options.action == "info":
        print(cache.info())
    else:
        print(f"Freed {cache.clear() / 1e6:,.1f} MB in {cache.folder}.")
    return 0


def _image_paths(names: Sequence[str]) -> list[str]:
    """Return the files, with folders replaced by the images below them."""
    from transferkit.images import IMAGE_SUFFIXES, is_side_file

    paths: list[str] = []
    for name in names:
        if Path(name).is_dir():
            found = sorted(path for path in Path(name).rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
            paths += [str(path) for path in found if not is_side_file(path)]
        else:
            paths.append(name)
    if not paths:
        raise InvalidInputError(f"There are no images in {', '.join(names)}.")
    return paths


def _complain(problem: object, options: argparse.Namespace) -> None:
    """Say what is wrong, in the words of the command line."""
    print(f"transferkit: {in_flags(str(problem), options)}", file=sys.stderr)


def _print_tabbed(values: Sequence[Any]) -> None:
    print(*values, sep="\t")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="transferkit", description="Transfer learning on images: frozen backbones, cached features."
    )
    parser.add_argument("--version", action="version", version=f"transferkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="train on drawn faces, offline, and show what came out")
    demo.add_argument("--output", default="transferkit-demo", help="folder for the picture and the models")
    demo.add_argument("--images", type=int, default=600, help="number of faces, 60 or more (default 600)")
    demo.add_argument("--seed", type=int, default=0, help="of the faces (default 0)")
    demo.set_defaults(run=_demo)

    train = commands.add_parser("train", help="train a model on a folder per class, or on a keypoint CSV")
    train.add_argument(
        "data", metavar="DIR_OR_CSV", help="a folder with a sub-folder per class, or file name, x0, y0, ..."
    )
    train.add_argument(
        "--backbone", default="mobilenet", help="see `transferkit backbones` (default mobilenet)"
    )
    train.add_argument(
        "--head",
        default=None,
        choices=sorted(HEADS),
        help="what learns on the features (default: the best known)",
    )
    train.add_argument("--weights", default="imagenet", help="imagenet (default), a weights file, or none")
    train.add_argument("--image-size", type=int, help="side in pixels that the backbone sees")
    train.add_argument("--image-folder", help="where the images of a CSV lie, if not beside it")
    train.add_argument(
        "--test-fraction", type=float, default=0.2, help="share held out to measure on (default 0.2)"
    )
    train.add_argument("--output", default="model.safetensors", help="the model (default model.safetensors)")
    train.add_argument("--seed", type=int, default=0, help="of the split and of training (default 0)")
    train.set_defaults(run=_train)

    predict = commands.add_parser("predict", help="predict for images or folders of images")
    predict.add_argument("model", help="a file that train or save() wrote")
    predict.add_argument("images", nargs="+", help="image files, or folders of them")
    predict.add_argument("--csv", action="store_true", help="comma-separated instead of tab-separated")
    predict.add_argument("--weights", help="where the backbone's weights lie on this machine")
    predict.set_defaults(run=_predict)

    evaluate = commands.add_parser("evaluate", help="figures of a model on images that it has not seen")
    evaluate.add_argument("model", help="a file that train or save() wrote")
    _add_data(evaluate)
    evaluate.add_argument("--pos-label", help="the positive class of two (default: the second)")
    evaluate.add_argument("--normalizer", help="what errors of keypoints are divided by: a name, or pixels")
    evaluate.add_argument("--weights", help="where the backbone's weights lie on this machine")
    evaluate.set_defaults(run=_evaluate)

    compare = commands.add_parser("compare", help="which backbone does best, and by more than noise")
    _add_data(compare)
    compare.add_argument("--backbones", required=True, help="names with commas between: vgg16,mobilenet")
    compare.add_argument("--metric", help="figure to sort by (default: accuracy, or nme for keypoints)")
    compare.add_argument("--cv", type=int, default=5, help="number of folds (default 5)")
    compare.add_argument("--weights", default="imagenet", help="imagenet (default) or none")
    compare.add_argument("--image-size", type=int, help="side in pixels that the backbones see")
    compare.set_defaults(run=_compare)

    backbones = commands.add_parser("backbones", help="list backbones")
    backbones.add_argument("pattern", nargs="?", default="*")
    backbones.set_defaults(run=_backbones)

    cache = commands.add_parser("cache", help="show or empty the feature cache")
    cache.add_argument("action", choices=["info", "clear"])
    cache.add_argument("--folder", help="another folder than the usual one")
    cache.set_defaults(run=_cache)
    return parser


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "data", metavar="DIR_OR_CSV", help="a folder with a sub-folder per class, or file name, x0, y0, ..."
    )
    command.add_argument("--image-folder", help="where the images of a CSV lie, if not beside it")
    command.add_argument("--json", action="store_true", help="JSON instead of tables")
