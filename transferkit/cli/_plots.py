"""Write plots to files, for ``transferkit evaluate --plots`` and ``transferkit drift --plot``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transferkit.errors import InvalidInputError, MissingDependencyError
from transferkit.foundation.arguments import check

_DPI = 120


def check_plots(folder: str | None) -> None:
    """Raise errors before any work starts."""
    if folder is None:
        return
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("matplotlib", "plots", "--plots")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InvalidInputError(f"plots must be a folder. {folder} is a file.")


def check_plot(path: str | None, option: str) -> None:
    """Raise, before any work starts, if a figure cannot be written to this file."""
    if path is None:
        return
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("matplotlib", "plots", option)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file, endings = Path(path).absolute(), sorted(FigureCanvasAgg.get_supported_filetypes())
    problems = []
    if not file.parent.is_dir() or file.is_dir():
        problems.append(f"{option} must be a file in a folder that exists. Got {path}.")
    if file.suffix[1:].lower() not in endings:
        problems.append(f"{option} must end in .png, or in one of {', '.join(endings)}. Got {path}.")
    check(problems)


def write_plots(evaluation: Any, folder: Path) -> list[Path]:
    """Write all plots of an evaluation, and return the files.

    Parameters
    ----------
    evaluation : evaluation or Comparison
        Result of :func:`transferkit.evaluate` or :func:`transferkit.compare`.
    folder : Path
        Created if it does not exist; files with the same names are replaced.
    """
    from transferkit.reporting import drawings

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in drawings(evaluation).items():
        written.append(folder / f"{name}.png")
        save(draw(), written[-1])
    return written


def save(axes: Any, path: str | Path) -> None:
    """Write the figure of one or more Axes to a file, and close it."""
    import numpy as np
    from matplotlib import pyplot

    figure = np.ravel(axes)[0].figure
    figure.savefig(path, dpi=_DPI)
    pyplot.close(figure)
