"""The HTML page of a report, with embedded plots."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import numpy as np

from transferkit.auditing import SECTION_STYLE, sections
from transferkit.cards import card_html, whole_page
from transferkit.errors import BadImageError
from transferkit.plots import plot_feature_map
from transferkit.reporting._drawings import drawings

_DPI = 110
_FINDINGS = 24  # number of findings per check that are shown with their pictures
_STYLE = """
img.plot { max-width: 100%; height: auto; margin: .5rem 1rem .5rem 0; vertical-align: top }
nav a { margin-right: 1rem } section { scroll-margin-top: 1rem }
"""


def page_of(report: Any) -> str:
    """Return the whole page; all names are escaped, and nothing is loaded from elsewhere."""
    parts = {"Card": card_html(report.card), "Pictures": _pictures(report.evaluation)}
    if report.vectors is not None:
        parts["Map"] = _heading("Map of the features") + _feature_map(report)
    if report.audit is not None:
        audit = report.audit
        parts["Audit"] = _heading("Audit of these images") + (
            f"<p>{html.escape(audit.title())}.</p>{sections(audit, _FINDINGS)}"
        )
    links = "".join(f'<a href="#{name.lower()}">{name}</a>' for name in parts)
    body = "".join(f'<section id="{name.lower()}">{part}</section>' for name, part in parts.items())
    return whole_page(report.title, f"<nav>{links}</nav>{body}", SECTION_STYLE + _STYLE)


def _heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>"


def _pictures(evaluation: Any) -> str:
    """Return all plots of an evaluation; those that cannot be drawn are named."""
    parts = []
    for name, draw in drawings(evaluation).items():
        title = name.replace("_", " ")
        try:
            axes = draw()
            several = title.startswith("values ")
            parts.append(_embedded(axes, f"values, {axes[0].get_title()}" if several else title))
        except BadImageError as error:  # an image can no longer be read
            parts.append(f"<p>{html.escape(f'No picture of {title}: {error}')}</p>")
    return _heading("Pictures of the test") + "".join(parts)


def _feature_map(report: Any) -> str:
    try:
        axes = plot_feature_map(report.vectors, report.images, report.labels, reader=report.reader)
    except BadImageError:
        axes = plot_feature_map(report.vectors, None, report.labels)
    note = "Images with similar features are side by side; pictures are a selection that is spread out."
    return f"{_embedded(axes, 'map of the features')}<p>{note}</p>"


def _embedded(axes: Any, title: str) -> str:
    """Return the figure of some Axes as an embedded image, and close it."""
    from matplotlib import pyplot

    figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, bbox_inches="tight")
    pyplot.close(figure)
    data = base64.b64encode(stream.getvalue()).decode()
    return f'<img class="plot" alt="{html.escape(title)}" src="data:image/png;base64,{data}">'
