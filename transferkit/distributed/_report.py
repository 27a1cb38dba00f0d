"""Report of a distributed extraction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class DistributedReport:
    """Counts of one run; printed as a single line.

    Attributes
    ----------
    output : str
        Path or address of the shards.
    n_images : int
        Number of names that were given.
    n_written : int
        Images whose features were written.
    n_skipped : int
        Images that were done already.
    n_linked : int
        Images whose content has features under another name.
    n_failed : int
        Images that could not be read in this run; ``read_features(output).failures`` lists those of all runs.
    n_bytes : int
        Size of the shards that this run wrote.
    n_actors : int
        Largest number of actors that could work at the same time.
    seconds : float
        Duration of the run.
    """

    output: str
    n_images: int = 0
    n_written: int = 0
    n_skipped: int = 0
    n_linked: int = 0
    n_failed: int = 0
    n_bytes: int = 0
    n_actors: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return one line for people."""
        return (
            f"{self.n_images:,} images: {self.n_written:,} written, {self.n_skipped:,} there already, "
            f"{self.n_linked:,} the same as another, {self.n_failed:,} failed; "
            f"{self.n_bytes / 1e6:,.1f} MB in {self.output}, {self.seconds:.1f} s"
        )
