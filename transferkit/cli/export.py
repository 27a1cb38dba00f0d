"""export a model to ONNX, OpenVINO or LiteRT"""

from __future__ import annotations

import argparse

from transferkit.cli._options import add_running
from transferkit.cli._outputs import check_outputs
from transferkit.cli._shared import add_model, image_paths, load_model

_FORMATS = {".xml": "openvino", ".tflite": "litert"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model(parser)
    parser.add_argument(
        "output", metavar="OUT", help="file to write: .onnx, .tflite for LiteRT, or .xml for OpenVINO"
    )
    parser.add_argument("--format", help="onnx, litert or openvino (default: by the suffix of OUT)")
    parser.add_argument(
        "--probes",
        nargs="+",
        metavar="IMAGE",
        help="additional images or folders on which to compare predictions",
    )
    parser.add_argument("--tolerance", type=float, help="largest difference allowed between predictions")
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import export

    check_outputs({"output": options.output}, (options.model, options.weights))
    guess = next((name for end, name in _FORMATS.items() if options.output.endswith(end)), "onnx")
    report = export(
        load_model(options),
        options.output,
        format=options.format or guess,
        probes=image_paths(options.probes) if options.probes else None,
        tolerance=options.tolerance,
    )
    print(report)
    return 0
