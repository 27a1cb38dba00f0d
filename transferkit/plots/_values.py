"""Predicted numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number
from transferkit.metrics import as_value_pair
from transferkit.plots._axes import COLOURS, new_grid
from transferkit.plots._text import as_text, use_fonts


def plot_values(evaluation: Any, predicted: Any = None, *, output: int = 0, ax: Any = None) -> Any:
    """Plot actual numbers against predicted ones, and the residuals (actual minus predicted).

    Parameters
    ----------
    evaluation : evaluation or array-like, shape (n,) or (n, n_outputs)
        Result of :func:`transferkit.evaluate` for numbers, or true numbers; NaN is missing.
    predicted : array-like of the same shape, optional
        Required with true numbers.
    output : int, default=0
        Position of the output to plot, if there are several.
    ax : array of two matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (2,)
        Points on the line are exact. If there are several outputs, the title names the one plotted.

    Raises
    ------
    InvalidInputError
        There are no numbers, shapes differ, or there is no such output.
    MissingDependencyError
        matplotlib is not installed.

    See Also
    --------
    sklearn.metrics.PredictionErrorDisplay : Used for both panels.
    """
    if predicted is None and not hasattr(evaluation, "predicted"):
        raise InvalidInputError(
            "predicted numbers are required with true ones. Pass the result of predict()."
        )
    pair = (evaluation.true, evaluation.predicted) if predicted is None else (evaluation, predicted)
    true, found = as_value_pair(*pair)
    if not (is_number(output, above=-1) and int(output) == output < true.shape[1]):
        raise InvalidInputError(f"output must be an integer in 0..{true.shape[1] - 1}. Got {output!r}.")
    present = np.isfinite(true[:, int(output)])
    if not present.any():
        raise InvalidInputError(f"output {output} has no true numbers. Pass another.")
    axes = new_grid(2, ax, columns=2, width=4.2, height=4.0)
    from sklearn.metrics import PredictionErrorDisplay

    for panel, kind in zip(axes, ("actual_vs_predicted", "residual_vs_predicted"), strict=True):
        PredictionErrorDisplay.from_predictions(
            true[present, int(output)],
            found[present, int(output)],
            kind=kind,
            ax=panel,
            subsample=None,  # by default scikit-learn draws only 1,000 points
            scatter_kwargs={"color": COLOURS[0], "alpha": 0.6, "s": 14},
            line_kwargs={"color": "0.6", "linestyle": "-", "linewidth": 1},
        )
        panel.grid(alpha=0.3)
        if true.shape[1] > 1:
            panel.set_title(_name(evaluation, int(output)), fontsize="medium")
    use_fonts(axes)
    return axes


def _name(evaluation: Any, output: int) -> str:
    """Return the name of an output."""
    names = getattr(evaluation, "output_names", None)
    return f"output {output}" if names is None else as_text(names[output])
