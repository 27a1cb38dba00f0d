"""The report of an audit: checks and their findings, as a table, rows, a CSV file or a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._corrections import NEW_LABEL, check_unfilled
from transferkit.auditing._csv import write_table
from transferkit.auditing._duplicates import Pairs
from transferkit.auditing._findings import SEVERITIES, Check, Finding, count
from transferkit.errors import InvalidInputError, MissingDependencyError
from transferkit.foundation.arguments import is_count
from transferkit.foundation.files import write_text
from transferkit.foundation.tables import Table, render_html, render_text
from transferkit.images import Reader


@dataclass(frozen=True)
class AuditReport:
    """Problems of images and labels, returned by `transferkit.audit`; print it for a summary.

    Attributes
    ----------
    checks : list of Check
        A check for each kind of finding, even if nothing was found, the most severe first; with ``kind``,
        ``severity``, ``summary``, ``advice`` and ``findings``.
    n_train, n_test : int
        Numbers of training and of test images.
    images : list
        All images, training images first.
    labels : list
        Label of each image, or None.
    classes : ndarray or None
        Labels of the training images, sorted, if each image has one.
    groups : ndarray of int64, shape (n_train,)
        Groups of training images that should not be separated by a split: images of a group that was passed,
        images that show the same, or images of one series if their names clearly say so. Pass it as
        ``groups=`` to ``fit``, ``compare`` or the splitters of scikit-learn.
    pairs : Pairs
        Pairs of images that show the same: ``first`` and ``second`` are positions in ``images``, ``score`` is
        the agreement of their detail (1 for equal content), ``mirrored`` and ``moved`` tell how they differ.
    probabilities : ndarray of float64, shape (n_train, n_classes), or None
        Probability of each class, predicted by models that have not seen the image, its group or its
        duplicates; NaN for images that cannot be read.
    shortcut : Shortcut or None
        How well the classes can be told apart by facts of the files alone.
    facts : dict of str to ndarray, shape (n_train + n_test,)
        Width, height, format, mode, brightness and so on of each image; for ``pandas.DataFrame``.
    files : Table
        A summary of the facts.
    seconds : dict of str to float
        Duration of each stage.
    reader : transferkit.images.Reader
        How the images were read, so that plots and the page show the same pictures.
    """

    checks: list[Check]
    n_train: int
    n_test: int
    images: list[Any] = field(repr=False)
    labels: list[Any] = field(repr=False)
    classes: NDArray[Any] | None
    groups: NDArray[np.int64] = field(repr=False)
    pairs: Pairs = field(repr=False)
    probabilities: NDArray[np.float64] | None = field(repr=False)
    shortcut: Any = field(repr=False)
    facts: dict[str, NDArray[Any]] = field(repr=False)
    files: Table = field(repr=False)
    seconds: dict[str, float] = field(repr=False)
    reader: Reader = field(default=Reader(), repr=False)

    @property
    def findings(self) -> list[Finding]:
        """All findings, those of the most severe check first."""
        return [finding for check in self.checks for finding in check.findings]

    def check(self, kind: str) -> Check:
        """Return the check of this kind.

        Parameters
        ----------
        kind : str
            Name of the check, such as "near_duplicate".

        Returns
        -------
        Check

        Raises
        ------
        InvalidInputError
            This check was not run.
        """
        for one in self.checks:
            if one.kind == kind:
                return one
        known = ", ".join(sorted(one.kind for one in self.checks))
        raise InvalidInputError(f"kind must be a check that was made: {known}. Got {kind!r}.")

    def image(self, part: str, index: int) -> Any:
        """Return an image by the ``part`` and ``index`` of a finding.

        Parameters
        ----------
        part : {"train", "test"}
        index : int

        Returns
        -------
        image
            The image, as it was passed.
        """
        return self.images[index if part == "train" else self.n_train + index]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for each finding.

        Returns
        -------
        list of dict
            The attributes of :class:`Finding` by name.
        """
        return [asdict(finding) for finding in self.findings]

    def to_frame(self) -> Any:
        """Return the findings as a ``pandas.DataFrame``.

        Returns
        -------
        pandas.DataFrame
            A row for each finding.

        Raises
        ------
        MissingDependencyError
            pandas is not installed.
        """
        try:
            import pandas as pd  # type: ignore[import-untyped]
        except ImportError as error:
            raise MissingDependencyError("pandas", "tables", "AuditReport.to_frame()") from error
        return pd.DataFrame(self.to_rows(), columns=[column.name for column in fields(Finding)])

    def to_csv(self, path: str | os.PathLike[str], *, kinds: Sequence[str] | None = None) -> None:
        """Write the findings to a CSV file, one per row, with an empty column ``new_label``.

        Fill this column where a label is wrong, and ``other_new_label`` for the second image of a pair; then
        pass the file to :func:`relabel`.

        Parameters
        ----------
        path : path
            File to write. An existing file is replaced, unless it contains new labels or cannot be read.
        kinds : sequence of str, optional
            Kinds of findings to write, such as ``["label_issue", "two_labels"]``; by default all.

        Raises
        ------
        InvalidInputError
            A check of this kind was not run, or the existing file has new labels or cannot be read.
        OSError
            The file cannot be written.
        """
        check_unfilled(path)
        columns = [column.name for column in fields(Finding)]
        for label in ("label", "other_label"):
            columns.insert(columns.index(label) + 1, label.replace("label", NEW_LABEL))
        findings = self.findings if kinds is None else [
            finding for kind in dict.fromkeys([kinds] if isinstance(kinds, str) else kinds)
            for finding in self.check(kind).findings
        ]  # fmt: skip
        write_table(path, columns, map(asdict, findings))

    def to_html(self, path: str | os.PathLike[str], *, n: int = 24) -> None:
        """Write a self-contained HTML page with the checks and thumbnails of what they found.

        Parameters
        ----------
        path : path
            File to write; replaced if it exists.
        n : int, default=24
            Largest number of findings of each check that are shown with pictures.

        Raises
        ------
        InvalidInputError
            ``n`` is not a positive integer.
        OSError
            The file cannot be written.
        """
        from transferkit.auditing._html import page

        if not is_count(n):
            raise InvalidInputError(f"n must be a positive integer. Got {n!r}.")
        write_text(path, page(self, n), errors="replace")

    def plot_duplicates(self, **options: Any) -> Any:
        """Plot pairs of images that show the same.

        Parameters
        ----------
        **options
            As for :func:`transferkit.plots.plot_duplicates`.

        Returns
        -------
        ndarray of matplotlib Axes
        """
        from transferkit.plots import plot_duplicates

        return plot_duplicates(self, **options)

    def plot_label_issues(self, **options: Any) -> Any:
        """Plot images whose label is doubtful.

        Parameters
        ----------
        **options
            As for :func:`transferkit.plots.plot_label_issues`.

        Returns
        -------
        ndarray of matplotlib Axes
        """
        from transferkit.plots import plot_label_issues

        return plot_label_issues(self, **options)

    def title(self) -> str:
        """Return a title that says what was audited and how much was found."""
        counts = [sum(one.severity == severity for one in self.checks) for severity in SEVERITIES[:3]]
        words = [count(n, word) for n, word in zip(counts, SEVERITIES[:3], strict=True) if n]
        test = f", {count(self.n_test, 'image')} of a test" if self.n_test else ""
        return f"Audit of {count(self.n_train, 'image')}{test}: {', '.join(words) or 'nothing found'}"

    def tables(self) -> list[Table]:
        """Return the tables that are printed: the checks, and the files."""
        lines = []
        for one in self.checks:
            if one.severity == "fine":
                continue
            lines.append([one.severity, one.kind, one.summary])
            if one.advice:
                lines.append(["", "", f"-> {one.advice}"])
        quiet = [one for one in self.checks if one.severity == "fine"]
        notes = [f"Nothing found: {', '.join(one.kind for one in quiet)}."] if quiet else []
        header = ("severity", "check", "found") if lines else ("", "", "")
        return [Table(header, lines, title=self.title(), notes=notes, left=(0, 1, 2)), self.files]

    def __str__(self) -> str:
        """Return aligned tables."""
        return render_text(*self.tables())

    def _repr_html_(self) -> str:
        """Return tables for a notebook."""
        return render_html(*self.tables())
