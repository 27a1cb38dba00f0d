"""Find problems of images and labels before a model learns from them.

``_audit`` runs an audit: ``_data`` reads the images and labels, ``_features`` and ``_looks`` look at each
image once, and ``_duplicates`` finds duplicates. The checks are functions of the ``Evidence``: ``_repeats``,
``_quality``, ``_balance`` and others. ``_findings`` defines what they return; ``_report`` and ``_html`` show
it. ``_relabel`` reads a person's corrections, and ``_next`` chooses which images to label next.
"""

from transferkit.auditing._audit import audit
from transferkit.auditing._corrections import check_unfilled
from transferkit.auditing._features import one_vector
from transferkit.auditing._findings import Check, Finding
from transferkit.auditing._html import SECTION_STYLE, sections
from transferkit.auditing._next import next_to_label
from transferkit.auditing._relabel import relabel
from transferkit.auditing._relabelled import Change, Relabelled
from transferkit.auditing._report import AuditReport
from transferkit.auditing._suggestions import Suggestion, Suggestions

__all__ = [
    "SECTION_STYLE",
    "AuditReport",
    "Change",
    "Check",
    "Finding",
    "Relabelled",
    "Suggestion",
    "Suggestions",
    "audit",
    "check_unfilled",
    "next_to_label",
    "one_vector",
    "relabel",
    "sections",
]
