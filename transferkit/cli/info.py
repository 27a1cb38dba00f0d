"""show versions, engines and folders, for a bug report"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import metadata

from transferkit._version import __version__
from transferkit.foundation.cores import usable_cores

_PACKAGES = (
    "numpy", "scikit-learn", "pillow", "keras", "tensorflow", "openvino", "onnx", "onnxruntime", "keras-hub",
    "torch", "jax",
)  # fmt: skip
_VARIABLES = ("TRANSFERKIT_CACHE", "TRANSFERKIT_WEIGHTS", "KERAS_BACKEND", "KERAS_HOME", "OMP_NUM_THREADS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit.cache import FeatureCache
    from transferkit.engines import available_engines

    lines = {
        "transferkit": __version__,
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.platform()}, {platform.machine()}",
        "cores": f"{usable_cores()} of {os.cpu_count()}",
        **{package: _version(package) for package in _PACKAGES},
        "engines": ", ".join(available_engines()),
        "cache": str(FeatureCache().folder),
        **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }
    for name, value in lines.items():
        print(f"{name:20} {value}")
    return 0


def _version(package: str) -> str:
    """Return the version of a package, without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
