"""Export models to files for other runtimes, which map pixels to predictions and are verified."""

from transferkit.exports._export import export
from transferkit.exports._report import ExportReport

__all__ = ["ExportReport", "export"]
