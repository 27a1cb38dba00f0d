"""Files that other programs run, with everything inside from pixels to answers, and a proof of it."""

from transferkit.export._export import export
from transferkit.export._report import ExportReport

__all__ = ["ExportReport", "export"]
