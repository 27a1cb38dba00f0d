"""Watching a model in use: are new images still like those that it was trained on?"""

from transferkit.monitoring._drift import drift
from transferkit.monitoring._report import DriftCheck, DriftReport

__all__ = ["DriftCheck", "DriftReport", "drift"]
