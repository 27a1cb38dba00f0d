"""A report on a fitted model and images on one page: model card, evaluation, audit, and plots.

``_report`` makes it, ``_drawings`` lists the plots of an evaluation, and ``_page`` builds the page.
"""

from transferkit.reporting._drawings import drawings
from transferkit.reporting._report import ModelReport, report

__all__ = ["ModelReport", "drawings", "report"]
