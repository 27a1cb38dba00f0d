"""Draw the learning curve of the page on few images: ``python docs/keypoints_curve.py``.

The figures are those of ``python benchmarks/bodies.py --weights WEIGHTS --seeds 2 --heads auto linear --curve
docs/keypoints_curve.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

HERE = Path(__file__).parent
NAMES = {"linear": 'head="linear"', "auto": "default"}
COLOURS = {"linear": "#999999", "auto": "#1f6fb4"}


def main() -> None:
    """Write the picture."""
    rows = json.loads((HERE / "keypoints_curve.json").read_text())
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("median", "rmse"), strict=True):
        for head, label in NAMES.items():
            chosen = sorted((row for row in rows if row["head"] == head), key=lambda row: row["frames"])
            frames, values = [row["frames"] for row in chosen], np.array([row[name] for row in chosen])
            axes.plot(frames, np.median(values, axis=1), "o-", color=COLOURS[head], label=label)
            axes.fill_between(
                frames, *np.percentile(values, [0, 100], axis=1), color=COLOURS[head], alpha=0.2
            )
        axes.set(
            xscale="log", yscale="log", xlabel="frames to learn from", title=name.replace("rmse", "RMSE")
        )
        axes.set_xticks(frames, [str(n) for n in frames])
        axes.set_yticks([2, 3, 5, 10, 20, 50, 100], ["2", "3", "5", "10", "20", "50", "100"])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("error in pixels of 640 x 480")
    figure.axes[0].legend(frameon=False)
    figure.savefig(HERE / "_static" / "keypoints_curve.png", dpi=110)


if __name__ == "__main__":
    main()
