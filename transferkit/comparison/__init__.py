"""Compare backbones or settings on the same folds, and tell real differences from noise."""

from transferkit.comparison._compare import compare
from transferkit.comparison._comparison import Comparison, ComparisonRow, FailedCandidate

__all__ = ["Comparison", "ComparisonRow", "FailedCandidate", "compare"]
