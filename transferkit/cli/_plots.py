"""Draw an evaluation to files: what ``transferkit evaluate --plots`` does."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transferkit.errors import InvalidInputError, MissingDependencyError

_DPI = 120


def check_plots(folder: str | None) -> None:
    """Raise before anything takes its time."""
    if folder is None:
        return
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("matplotlib", "plots", "--plots")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InvalidInputError(f"plots must be a folder. {folder} is a file.")


def write_plots(evaluation: Any, folder: Path) -> list[Path]:
    """Draw what there is to draw of an evaluation, and return the files.

    Parameters
    ----------
    evaluation : evaluation or Comparison
        Result of :func:`transferkit.evaluate` or :func:`transferkit.compare`.
    folder : Path
        Made when missing; files of the same names are replaced.
    """
    from transferkit.reporting import drawings

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in drawings(evaluation).items():
        written.append(folder / f"{name}.png")
        save(draw(), written[-1])
    return written


def save(axes: Any, path: str | Path) -> None:
    """Write the figure of one or more Axes, and forget it."""
    import numpy as np
    from matplotlib import pyplot

    figure = np.ravel(axes)[0].figure
    figure.savefig(path, dpi=_DPI)
    pyplot.close(figure)
