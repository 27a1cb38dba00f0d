"""Options that several commands share, and their conversion to Python parameters.

Flags have the names of the parameters, with dashes. Flags that are not given are not passed on; so defaults
are those of the library, which also checks the values. ``none`` stands for None.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable
from typing import Any

from transferkit.foundation.arguments import check

_LEARNING = ("head", "refine", "layers", "grid", "augment", "class_weight")
_READING = ("resize", "precision", "value_range", "frame", "channels")
_RUNNING = ("engine", "batch_size", "memory_limit", "cache", "isolate", "retry_failed", "progress")
_OWNERS = {"class_weight": "classes", "refine": "keypoints"}


def add_layers(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the features taken from the backbone."""
    parser.add_argument(
        "--layers", type=_names, help="auto, last, or names separated by commas: see `transferkit layers`"
    )
    parser.add_argument(
        "--grid",
        type=_grids,
        help="cells per side over which maps are averaged, or full; one, or one per layer with commas",
    )


def add_learning(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the head and its training."""
    parser.add_argument("--head", help="model on top of the features: auto (default), linear, mlp, conv ...")
    add_layers(parser)
    parser.add_argument(
        "--augment", help="auto (default), mirror, multi, strong or none; not multi or strong for keypoints"
    )
    parser.add_argument(
        "--class-weight", type=_class_weight, help="classes: balanced, or weights such as cat=2,dog=1"
    )
    parser.add_argument("--refine", type=_int_or_text, help="keypoints: number of closer looks, or auto")


def add_boxes(parser: argparse.ArgumentParser) -> None:
    """Add the argument to use boxes even if they are not needed."""
    parser.add_argument(
        "--boxes",
        action="store_true",
        help="use the boxes of a keypoint file even if each image has only one subject; with several, they "
        "are always used",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for how images are read and in which precision features are computed."""
    group = parser.add_argument_group("how images are read")
    group.add_argument("--resize", help="stretch (default) to a square, or pad with black")
    group.add_argument("--precision", help="float32 (default), bfloat16 or float16")
    group.add_argument(
        "--value-range",
        type=float,
        nargs=2,
        metavar=("BLACK", "WHITE"),
        help="values of black and white in DICOM files",
    )
    group.add_argument("--frame", type=int, help="frame or page of each file, counted from 0")
    group.add_argument("--channels", type=_ints, help="which channels are red, green and blue: 3,2,1")


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for how work is run, which change results by rounding at most."""
    group = parser.add_argument_group("how work is run")
    group.add_argument("--engine", help="auto (default), keras, openvino or onnxruntime")
    group.add_argument("--batch-size", type=int, help="images per call of the backbone (default 32)")
    group.add_argument("--memory-limit", type=float, metavar="BYTES", help="memory for features, such as 2e9")
    group.add_argument(
        "--cache", metavar="FOLDER", help="folder of the cache, or none (default: the usual one)"
    )
    group.add_argument(
        "--isolate", type=float, nargs="?", const=True, metavar="SECONDS",
        help="decode in another process, so that a crash loses one image; SECONDS for each (default 30)",
    )  # fmt: skip
    group.add_argument(
        "--retry-failed",
        action="store_const",
        const=True,
        help="try again to read images that could not be read before",
    )
    group.add_argument(
        "--no-progress", dest="progress", action="store_const", const=False, help="do not show progress bars"
    )


def learning_of(options: argparse.Namespace, estimator: Any) -> dict[str, Any]:
    """Return the parameters for this class of estimators; raise for those that it does not have."""
    chosen, known = _chosen(options, _LEARNING), inspect.signature(estimator).parameters
    check(
        f"{name} is for {_OWNERS[name]}, but this data needs {estimator.__name__}. Leave it out."
        for name in chosen
        if name not in known
    )
    return {**chosen, **extractor_of(options)}


def extractor_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameter ``extractor``, if a flag needs one."""
    chosen = reading_of(options)
    if not chosen:
        return {}
    from transferkit import FeatureExtractor

    return {"extractor": FeatureExtractor(**chosen)}


def layers_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters for layers and grid."""
    return _chosen(options, ("layers", "grid"))


def reading_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters for how images are read."""
    chosen = _chosen(options, _READING)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}


def running_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the configuration; empty for commands without these flags."""
    chosen = _chosen(options, _RUNNING)
    return {**chosen, "cache": False} if chosen.get("cache", "") is None else chosen


def _chosen(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    given = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    return {name: None if value == "none" else value for name, value in given.items()}


def _names(text: str) -> str | list[str]:
    """Return one name, or the names between commas."""
    names = [name.strip() for name in text.split(",")]
    return names if len(names) > 1 else names[0]


def _int_or_text(text: str) -> int | str:
    """Return a number, or else the text, which the library then checks."""
    return int(text) if text.strip().lstrip("-").isdecimal() else text


def _grids(text: str) -> Any:
    grids = [_int_or_text(part.strip()) for part in text.split(",")]
    return grids if len(grids) > 1 else grids[0]


def _ints(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers such as 3,2,1. Got {text!r}") from None


def _class_weight(text: str) -> str | dict[str, float]:
    """Return a name, or the weight of each class."""
    if "=" not in text:
        return text
    try:
        pairs = [part.rpartition("=") for part in text.split(",")]
        weights = [(label.strip(), float(weight)) for label, _, weight in pairs]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected weights such as cat=2,dog=1. Got {text!r}") from None
    labels = [label for label, _ in weights]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise argparse.ArgumentTypeError(f"expected one weight for each class. Got {twice[0]!r} twice")
    return dict(weights)
