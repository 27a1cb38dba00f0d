"""Plots of arrays, evaluations and comparisons with matplotlib.

Each function draws on the given ``ax`` or on a new figure, and returns the ``Axes``, or an array of them for
a grid. No function calls ``show()`` or changes matplotlib's settings. Input is arrays, or the result of
:func:`transferkit.evaluate`, :func:`transferkit.compare` or :func:`transferkit.audit`; any object with the
same attributes works, too.

matplotlib is installed with the extra ``plots``, and imported on first use.
"""

from transferkit.plots._activations import plot_activations
from transferkit.plots._calibration import plot_calibration
from transferkit.plots._class_activation import plot_class_activation
from transferkit.plots._comparison import plot_comparison
from transferkit.plots._confusion import plot_confusion_matrix
from transferkit.plots._drift import plot_drift
from transferkit.plots._duplicates import plot_duplicates
from transferkit.plots._error_curve import plot_error_curve
from transferkit.plots._expected_error import plot_expected_error
from transferkit.plots._feature_map import plot_feature_map
from transferkit.plots._history import plot_history
from transferkit.plots._images import plot_images
from transferkit.plots._keypoints import plot_keypoints
from transferkit.plots._label_issues import plot_label_issues
from transferkit.plots._mistakes import plot_mistakes
from transferkit.plots._neighbours import plot_neighbours
from transferkit.plots._roc import plot_roc
from transferkit.plots._to_label import plot_to_label
from transferkit.plots._values import plot_values

__all__ = [
    "plot_activations",
    "plot_calibration",
    "plot_class_activation",
    "plot_comparison",
    "plot_confusion_matrix",
    "plot_drift",
    "plot_duplicates",
    "plot_error_curve",
    "plot_expected_error",
    "plot_feature_map",
    "plot_history",
    "plot_images",
    "plot_keypoints",
    "plot_label_issues",
    "plot_mistakes",
    "plot_neighbours",
    "plot_roc",
    "plot_to_label",
    "plot_values",
]
