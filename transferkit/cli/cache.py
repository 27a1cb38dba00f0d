"""show or clear the feature cache, or explain whether it has an image"""

from __future__ import annotations

import argparse
from typing import Any

from transferkit.cli._options import add_layers, add_reading, layers_of, reading_of
from transferkit.cli._shared import add_backbone, backbone_of, weights_of
from transferkit.errors import InvalidInputError
from transferkit.foundation.config import config_context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("action", choices=["info", "clear", "explain"])
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="image files, for explain")
    parser.add_argument("--folder", help="folder of the cache (default: the usual one)")
    parser.add_argument(
        "--model", metavar="FILE", help="explain for this model, instead of the backbone and layers below"
    )
    add_backbone(parser)
    add_layers(parser)
    parser.add_argument("--engine", help="auto (default), keras, openvino or onnxruntime")
    add_reading(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    if (options.action == "explain") != bool(options.images):
        raise InvalidInputError(
            "images must be given to explain, and to no other action. "
            f"Got {options.action} and {len(options.images)} images."
        )
    if options.action == "explain":
        return _explain(options)
    from transferkit import FeatureCache

    cache = FeatureCache(options.folder)
    if options.action == "info":
        print(cache.info())
    else:
        print(f"Freed {cache.clear() / 1e6:,.1f} MB in {cache.folder}.")
    return 0


def _explain(options: argparse.Namespace) -> int:
    """Print a line or two for each view of each image."""
    with config_context(**({} if options.folder is None else {"cache": options.folder})):
        extractor, views = _looks(options)
        for image in options.images:
            for view in views:
                print(f"{image}: {extractor.explain(image, view=view)}")
    return 0


def _looks(options: argparse.Namespace) -> tuple[Any, Any]:
    """Return the extractor, and the views of each image."""
    from transferkit import FeatureExtractor, load
    from transferkit.views import ORIGINAL

    if options.model is not None:
        weights = {} if options.weights == "imagenet" else {"weights": options.weights}
        model = load(options.model, **weights)
        return model.extractor_, model.views_
    extractor = FeatureExtractor(
        backbone_of(options),
        weights=weights_of(options),
        image_size=options.image_size,
        **layers_of(options),
        **reading_of(options),
    )
    return extractor, (ORIGINAL,)
