"""Pictures: arrays or an evaluation in, matplotlib ``Axes`` out.

Every function draws on the ``ax`` it is given or makes a figure of its own, and returns the ``Axes``, or
an array of them where there is a grid. None calls ``show()`` or changes matplotlib's settings. What it is
given may be arrays, or an object that :func:`transferkit.evaluate` or :func:`transferkit.compare` returns;
only its attributes are looked at, so that anything with the same ones will do.

matplotlib comes with the extra ``plots`` and is imported when something is drawn.
"""

from transferkit.plots._activations import plot_activations
from transferkit.plots._calibration import plot_calibration
from transferkit.plots._class_activation import plot_class_activation
from transferkit.plots._comparison import plot_comparison
from transferkit.plots._confusion import plot_confusion_matrix
from transferkit.plots._error_curve import plot_error_curve
from transferkit.plots._history import plot_history
from transferkit.plots._images import plot_images
from transferkit.plots._keypoints import plot_keypoints
from transferkit.plots._mistakes import plot_mistakes
from transferkit.plots._roc import plot_roc

__all__ = [
    "plot_activations",
    "plot_calibration",
    "plot_class_activation",
    "plot_comparison",
    "plot_confusion_matrix",
    "plot_error_curve",
    "plot_history",
    "plot_images",
    "plot_keypoints",
    "plot_mistakes",
    "plot_roc",
]
