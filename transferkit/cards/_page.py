"""Cards and reports as self-contained HTML pages."""

from __future__ import annotations

import html
from typing import Any

from transferkit.foundation.tables import render_html

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid #ddd }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem }
table { border-collapse: collapse; margin: .6rem 0 1rem }
th, td { padding: .2rem .7rem; vertical-align: top } tbody tr:nth-child(even) { background: #f5f5f5 }
caption { font-weight: 600; padding-bottom: .2rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: .6rem 0 }
dt { color: #666 } dd { margin: 0; overflow-wrap: anywhere }
"""


def card_html(card: Any) -> str:
    """Return the sections of a card as HTML; all text is escaped."""
    return "".join(map(_section, card.sections))


def whole_page(title: str, body: str, style: str = "") -> str:
    """Return a page; the body is HTML, the title is text."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}{style}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>{body}</body></html>\n"
    )


def _section(section: Any) -> str:
    named = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in section.facts if name
    )
    sentences = "".join(f"<li>{html.escape(text)}</li>" for name, text in section.facts if not name)
    facts = (f"<dl>{named}</dl>" if named else "") + (f"<ul>{sentences}</ul>" if sentences else "")
    return f"<h2>{html.escape(section.title)}</h2>{facts}{render_html(*section.tables)}"
