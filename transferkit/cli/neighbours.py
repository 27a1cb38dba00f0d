"""find the most similar images in a folder"""

from __future__ import annotations

import argparse

from transferkit.cli._options import add_layers, add_reading, add_running, extractor_of, layers_of
from transferkit.cli._outputs import check_outputs
from transferkit.cli._plots import check_plot, save
from transferkit.cli._shared import (
    EXIT_SOME_FAILED,
    add_backbone,
    add_csv,
    backbone_of,
    complain,
    image_paths,
    row_writer,
    weights_of,
)
from transferkit.errors import InvalidInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("images", nargs="+", metavar="FOLDER", help="folders or files to search in")
    parser.add_argument(
        "--query",
        nargs="+",
        required=True,
        metavar="IMAGE",
        help="image files or folders to find similar images for",
    )
    parser.add_argument("--k", type=int, default=5, help="number of neighbours of each image (default 5)")
    parser.add_argument("--out", metavar="PICTURE", help="draw the result to this file")
    parser.add_argument("--metric", default="cosine", help="cosine (default) or euclidean")
    add_csv(parser)
    add_backbone(parser)
    add_layers(parser)
    add_reading(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import NearestImages

    _check(options)
    nearest = NearestImages(
        backbone_of(options),
        weights=weights_of(options),
        image_size=options.image_size,
        metric=options.metric,
        **layers_of(options),
        **extractor_of(options),
    ).fit(image_paths(options.images))
    queries = image_paths(options.query)
    found = nearest.query(queries, options.k)
    write = row_writer(options)
    write(["query", "rank", "distance", "path"])
    for row in found.to_rows():
        write([queries[row["query"]], row["rank"], f"{row['distance']:.4g}", row["path"]])
    if options.out:
        from transferkit.plots import plot_neighbours

        save(plot_neighbours(found, n=len(found)), options.out)
    for failure in nearest.report_.failures if nearest.report_ else ():
        complain(failure, options)
    return EXIT_SOME_FAILED if nearest.report_ and nearest.report_.failures else 0


def _check(options: argparse.Namespace) -> None:
    """Raise errors of the arguments before any work starts."""
    if options.k < 1:
        raise InvalidInputError(f"k must be a positive integer. Got {options.k}.")
    check_plot(options.out, "--out")
    check_outputs({"out": options.out}, (*options.images, *options.query))
