"""Which backbone, or which setting: the same folds for all, and noise called noise."""

from transferkit.comparison._compare import compare
from transferkit.comparison._comparison import Comparison, ComparisonRow, FailedCandidate

__all__ = ["Comparison", "ComparisonRow", "FailedCandidate", "compare"]
