"""Files that other programs run, with everything inside from pixels to answers, and a proof of it."""

from transferkit.exports._export import export
from transferkit.exports._report import ExportReport

__all__ = ["ExportReport", "export"]
