"""Monitor a model in use: check whether new images still resemble its training images."""

from transferkit.monitoring._drift import drift
from transferkit.monitoring._report import DriftCheck, DriftReport

__all__ = ["DriftCheck", "DriftReport", "drift"]
