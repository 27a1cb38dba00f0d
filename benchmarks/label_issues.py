"""Label issues: how many wrong labels an audit finds, beside cleanlab on the same probabilities.

    python benchmarks/label_issues.py --data DATA --weights WEIGHTS [--flipped 0.05] [--seeds 3]

DATA has gender/{train,val}; WEIGHTS has mobilenet.weights.h5. Some labels of gender/train are flipped; the
audit names those that it doubts. Beside it, cleanlab (extra ``benchmarks``) on the same held-out
probabilities: its own choice of how many, and its ranking by self-confidence at our depth. Then the accuracy
on gender/val: with the flipped labels, after those that the audit names were corrected by somebody who knows,
after its suggestions were taken blindly, and with the truth.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import Classifier, audit, set_config
from transferkit.datasets import read_image_folder


def scores(named: np.ndarray, flipped: np.ndarray) -> str:
    right = np.isin(named, flipped).sum()
    return f"{len(named):6}{right / max(1, len(named)):11.1%}{right / len(flipped):9.1%}"


def by_cleanlab(labels: np.ndarray, probabilities: np.ndarray, depth: int) -> dict[str, np.ndarray]:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import order_label_issues

    given = np.unique(labels, return_inverse=True)[1]
    named = {
        f"cleanlab, {way}": find_label_issues(
            given, probabilities, return_indices_ranked_by="self_confidence", filter_by=way
        )
        for way in ("prune_by_noise_rate", "confident_learning")
    }
    everything = np.ones(len(given), bool)
    ranked = order_label_issues(everything, given, probabilities, rank_by="self_confidence")
    return {**named, "cleanlab, self-confidence at our depth": ranked[:depth]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--flipped", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", default=True, help="folder of the cache; by default the usual one")
    options = parser.parse_args()
    set_config(progress=False, cache=options.cache)
    weights = options.weights / "mobilenet.weights.h5"
    paths, truth = read_image_folder(options.data / "gender/train")
    paths_test, y_test = read_image_folder(options.data / "gender/val")

    def accuracy(labels: np.ndarray) -> str:
        return f"{Classifier(weights=weights).fit(paths, labels).score(paths_test, y_test):.1%}"

    print(f"{len(paths)} images; accuracy with the true labels {accuracy(truth)}")
    for seed in range(options.seeds):
        flipped = np.random.default_rng(seed).permutation(len(paths))[: round(options.flipped * len(paths))]
        labels = truth.copy()
        labels[flipped] = np.where(truth[flipped] == "man", "woman", "man")
        report = audit(paths, labels, weights=weights, checks=["duplicates", "labels"])
        issues = report.check("label_issue").findings
        named = np.array([finding.index for finding in issues])
        print(f"\nseed {seed}: {len(flipped)} labels flipped{'':17}named  precision   recall")
        print(f"  {'audit':44}{scores(named, flipped)}")
        others = by_cleanlab(labels, report.probabilities, len(named))
        for name, found in others.items():
            print(f"  {name:44}{scores(found, flipped)}")
        same = np.isin(named, others["cleanlab, confident_learning"]).mean()
        own = np.isin(named, others["cleanlab, self-confidence at our depth"]).mean()
        print(
            f"  of ours, {same:.0%} are in its confident_learning, {own:.0%} among its least self-confident"
        )
        corrected, taken = labels.copy(), labels.copy()
        corrected[named] = truth[named]
        taken[named] = [finding.suggested for finding in issues]
        figures = ", ".join(map(accuracy, (labels, corrected, taken)))
        print(f"  accuracy on {len(y_test)} others, flipped, corrected, suggested: {figures}", flush=True)


if __name__ == "__main__":
    main()
