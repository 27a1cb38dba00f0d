"""A fitted model and images on one page: its card, an evaluation, an audit, and pictures of all of them.

``_report`` makes it, ``_drawings`` says which pictures an evaluation has, ``_page`` puts them on the page.
"""

from transferkit.reporting._drawings import drawings
from transferkit.reporting._report import ModelReport, report

__all__ = ["ModelReport", "drawings", "report"]
