"""An audit as a single HTML page with tables and embedded thumbnails."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import PIL.Image

from transferkit.auditing._findings import Check, Finding
from transferkit.errors import TransferKitError
from transferkit.foundation.tables import render_html
from transferkit.images import Reader

_SIDE = 112  # pixels of a picture, at most
_COLOURS = {"error": "#B3261E", "warning": "#B26A00", "note": "#0B5CAD", "fine": "#3C7A3C"}
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .25rem .75rem; vertical-align: top }
tr:nth-child(even) td { background: #f4f4f4 } caption { font-weight: 600 }
"""
SECTION_STYLE = """
h3 { font-size: 1.1rem; margin: 2rem 0 .25rem }
.tag { color: #fff; border-radius: .25rem; padding: .1rem .45rem; font-size: .8rem }
.cards { display: flex; flex-wrap: wrap; gap: .75rem } .advice { color: #555; margin: .2rem 0 .8rem }
figure { margin: 0; padding: .5rem; border: 1px solid #ddd; border-radius: .25rem; max-width: 16rem }
figure img { max-width: 7rem; max-height: 7rem; margin-right: .25rem }
figcaption { font-size: .75rem; overflow-wrap: anywhere }
"""


def page(report: Any, n: int) -> str:
    """Return the whole page; all names are escaped, and nothing is loaded from elsewhere."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Audit</title>'
        f"<style>{_STYLE}{SECTION_STYLE}</style></head><body><h1>{html.escape(report.title())}</h1>"
        f"{sections(report, n)}</body></html>\n"
    )


def sections(report: Any, n: int) -> str:
    """Return a section for each check and the table of files, with their style, for use in any page."""
    parts = [_section(check, report, n) for check in report.checks if check.severity != "fine"]
    quiet = ", ".join(check.kind for check in report.checks if check.severity == "fine")
    last = f"<p>Nothing found: {html.escape(quiet)}.</p>" if quiet else ""
    return f"{''.join(parts)}{last}{render_html(report.files)}"


def _section(check: Check, report: Any, n: int) -> str:
    shown = "".join(_card(finding, report) for finding in check.findings[:n])
    left = len(check.findings) - n
    more = f"<p>And {left:,} more: report.check({check.kind!r}).findings.</p>" if left > 0 else ""
    tag = f'<span class="tag" style="background:{_COLOURS[check.severity]}">{check.severity}</span>'
    return (
        f"<h3>{tag} {html.escape(check.kind)}</h3><p>{html.escape(check.summary)}</p>"
        f'<p class="advice">{html.escape(check.advice)}</p><div class="cards">{shown}</div>{more}'
    )


def _card(finding: Finding, report: Any) -> str:
    """Return one finding: its images, their names and labels, and its description."""
    images = [(finding.part, finding.index, finding.path, finding.label)]
    if finding.other_index is not None:
        images.append(
            (finding.other_part or "", finding.other_index, finding.other_path, finding.other_label)
        )
    shown = [report.image(part, index) for part, index, _, _ in images if index is not None]
    pictures = "".join(_picture(image, report.reader) for image in shown)
    lines = [
        f"{part} {index}: {path or ''}{'' if label is None else f' ({label})'}"
        for part, index, path, label in images
        if index is not None
    ] or [f"{finding.part}: {finding.label}"]
    lines.append(finding.what + ("" if finding.suggested is None else f"; suggested: {finding.suggested}"))
    return f"<figure>{pictures}<figcaption>{'<br>'.join(map(html.escape, lines))}</figcaption></figure>"


def _picture(image: Any, reader: Reader) -> str:
    """Return a thumbnail, or an empty string if the image cannot be read."""
    try:
        pixels = reader.load(image).pixels
    except (TransferKitError, OSError):
        return ""
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}">'
