"""Rounds of a closer look, fitted one after the other while they reduce the error on held-out images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from transferkit.estimators._records import Round
from transferkit.estimators.refinement._cascade import fit_cascade_round
from transferkit.estimators.refinement._network import Sample, fit_network_round
from transferkit.estimators.refinement._refinement import Floats, Refinement
from transferkit.extraction import Extraction, ExtractionReport
from transferkit.heads import FittedHead, Head
from transferkit.keypoints import Pairs


@dataclass
class CloserLook:
    """Fit rounds, and keep those that help.

    Parameters
    ----------
    make_extractor : callable
        Returns a new extractor with the taps of the closer look.
    n_rounds : int
        Largest number of rounds.
    mirror, pairs, random_state, progress
        As for the estimator.

    Attributes
    ----------
    refinements : list of Refinement
        Rounds to use.
    rounds : list of Round
        Held-out error after each round, the whole image first.
    report : ExtractionReport
        Report of the extraction work.
    unseen : Sample or None
        Images that were not trained on, with the shapes found after the last round.
    """

    make_extractor: Callable[[], Extraction]
    n_rounds: int
    mirror: bool
    pairs: Pairs | None
    random_state: int
    progress: bool
    refinements: list[Refinement] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    report: ExtractionReport = field(default_factory=ExtractionReport)
    unseen: Sample | None = None

    def fit_cascade(self, train: Sample) -> None:
        """Fit rounds on held-out shapes of training images."""
        self._keeps(train)
        for _ in range(self.n_rounds):
            refinement, shapes, features = fit_cascade_round(
                self.make_extractor(),
                train.items,
                train.shapes,
                train.points,
                train.groups,
                train.weight,
                **self._options(),
            )
            self.report.add_work(features.report)
            train = train._replace(shapes=shapes)
            if not self._keeps(train):
                break
            self.refinements.append(self._renewed(refinement))

    def fit_network(self, head: Head, train: Sample, unseen: Sample | None) -> None:
        """Fit a network, and apply it as often as that reduces the error on other images."""
        if unseen is not None:
            self._keeps(unseen)
        if self.n_rounds == 0:
            return
        refinement, features = fit_network_round(self.make_extractor(), head, train, **self._options())
        self.report.add_work(features.report)
        self._use(self._renewed(refinement), unseen)

    def use_network(self, head: Head, mean: Floats, fitted: FittedHead, unseen: Sample | None) -> None:
        """Apply a trained network as often as that reduces the error on other images."""
        if unseen is not None:
            self._keeps(unseen)
        self._use(Refinement(self.make_extractor(), mean, head, fitted, self.mirror, self.pairs), unseen)

    def restate(self, offset: float) -> None:
        """Recompute the error of the last used look for predictions shifted by this offset in pixels."""
        assert self.unseen is not None
        last = max(i for i, one in enumerate(self.rounds) if one.used)
        error = self.unseen.moved(offset).error()
        self.rounds[last] = replace(self.rounds[last], held_out_error=error)

    def _use(self, refinement: Refinement, unseen: Sample | None) -> None:
        for _ in range(self.n_rounds):
            if unseen is not None:
                unseen = unseen._replace(shapes=refinement.predict(unseen.items, unseen.shapes))
                if not self._keeps(unseen):
                    break
            self.refinements.append(refinement)

    def _options(self) -> dict[str, Any]:
        return {
            "mirror": self.mirror,
            "pairs": self.pairs,
            "random_state": self.random_state,
            "progress": self.progress,
        }

    def _renewed(self, refinement: Refinement) -> Refinement:
        """Return a round with a new extractor, which does not hold the training features in memory."""
        return replace(refinement, extractor=self.make_extractor())

    def _keeps(self, unseen: Sample) -> bool:
        """Record the error of a round; return True if it is smaller than that of the round before."""
        error = unseen.error()
        better = not self.rounds or error < self.rounds[-1].held_out_error
        self.rounds.append(Round(len(self.rounds), error, better))
        if better:
            self.unseen = unseen
        return better
