"""Report of an extraction: where features came from, and which images could not be read."""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

from transferkit.errors import BadImageError, InvalidInputError

_EXAMPLES = 5
KNOWN = "(Known from an earlier run; retry_failed=True tries again.)"


@dataclass(frozen=True)
class Failure:
    """One image that could not be read.

    ``index`` is its position in X. ``known`` failures are from an earlier run; the image was not tried again.
    """

    index: int
    path: str
    category: str
    reason: str
    hint: str
    known: bool = False

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.path}: {self.reason}{' ' + self.hint if self.hint else ''}"


@dataclass
class ExtractionReport:
    """Counts of one extraction.

    Attributes
    ----------
    n_images : int
    n_cached : int
        Images whose features were all in the cache.
    n_decoded : int
        Images that were decoded.
    n_backbone_calls : int
        Number of batches that the backbone processed.
    seconds : float
    failures : list of Failure
        In the order of the images.
    notes : dict of str to int
        How many images needed a conversion worth knowing, such as "alpha composited on white".
    """

    n_images: int = 0
    n_cached: int = 0
    n_decoded: int = 0
    n_backbone_calls: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def n_known_failures(self) -> int:
        """Number of failures known from an earlier run, whose images were not tried again."""
        return sum(failure.known for failure in self.failures)

    def add_failure(self, error: BadImageError, index: int) -> None:
        """Add one bad image."""
        self.failures.append(
            Failure(index, error.path, error.category, error.reason, error.hint, error.known)
        )

    def merge(self, other: ExtractionReport) -> None:
        """Add the work of another extraction of the same images, such as a closer look at them."""
        self.add_work(other)
        self.n_decoded += other.n_decoded
        self.notes.update(other.notes)

    def add_work(self, other: ExtractionReport) -> None:
        """Add the work of another extraction whose images are already counted here."""
        self.n_backbone_calls += other.n_backbone_calls
        self.seconds += other.seconds

    def counts(self) -> dict[str, int]:
        """Return the number of failures by category, the most frequent first."""
        return dict(Counter(failure.category for failure in self.failures).most_common())

    def check_enough(self, attempted: int, *, finished: bool) -> None:
        """Raise if most images are bad, which means that the list of images is wrong.

        Raises
        ------
        InvalidInputError
            Every image is bad, or, after 20 failures, more than half of those tried.
        """
        bad = len(self.failures)
        if not finished:  # do not count failures that are known from an earlier run
            bad, attempted = bad - self.n_known_failures, attempted - self.n_known_failures
        if bad == 0 or not (2 * bad > attempted if bad >= 20 else finished and bad == attempted):
            return
        examples = "".join(f"\n  {failure}" for failure in self.failures[:_EXAMPLES])
        kinds = ", ".join(f"{count} {category}" for category, count in self.counts().items())
        raise InvalidInputError(
            f"{bad} of the {attempted} images tried so far cannot be read ({kinds}). "
            f"Check that these are the right files:{examples}"
        )

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write index, path, category, reason and hint of each failure."""
        with Path(path).open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
            writer = csv.writer(stream)
            writer.writerow([column.name for column in fields(Failure)])
            writer.writerows(astuple(failure) for failure in self.failures)

    def __str__(self) -> str:
        """Return one line for people."""
        line = (
            f"{self.n_images:,} images: {self.n_cached:,} from the cache, {self.n_decoded:,} decoded, "
            f"{self.n_backbone_calls:,} backbone calls, {self.seconds:.1f} s"
        )
        if self.failures:
            kinds = ", ".join(f"{count} {category}" for category, count in self.counts().items())
            line += f"; {len(self.failures):,} left out ({kinds})"
        if self.n_known_failures:
            line += f", {self.n_known_failures:,} of them known (retry_failed=True tries them again)"
        return line
