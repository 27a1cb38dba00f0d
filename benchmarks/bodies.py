"""How accurate keypoints of a drawn mouse are, which turns any way, with few frames to learn from.

    python benchmarks/bodies.py --weights WEIGHTS [--frames 10 25 50 93] [--seeds 5] [--points 4]
                                [--heads auto linear] [--figures FIGURES.json] [--curve CURVE.png]
    python benchmarks/bodies.py --draw FIGURES.json --curve CURVE.png

The frames are those of `datasets.make_bodies`, 640 x 480, drawn: figures compare settings with each other,
and say nothing of a real camera. Each seed is other arenas, animals and frames; 120 frames test each fit.
RMSE is the root of the mean squared distance of points, as DeepLabCut gives it. "far" is the share of
points that miss by more than three times the median. "fit" is from pictures, with an empty cache. `--curve`
draws the median against the number of frames: the mean over the seeds, and each of them. Without `--frames`
and `--heads` it takes 10, 25, 50 and 100 frames, and the simplest head, linear, beside the default; `--draw`
draws figures that were written before, which needs no weights.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from transferkit import FeatureExtractor, KeypointRegressor
from transferkit.datasets import make_bodies

N_TEST = 120
NAMES = {"auto": "default", "linear": 'head="linear"'}


def main() -> None:
    options = read_options()
    if options.draw:
        draw(json.loads(options.draw.read_text()), options.curve)
        return
    os.environ["TRANSFERKIT_WEIGHTS"] = str(options.weights)
    runs = [(head, n) for head in options.heads for n in options.frames]
    errors = {run: [] for run in runs}
    seconds = {run: [] for run in runs}
    for seed in range(options.seeds):
        bodies = make_bodies(
            max(options.frames) + N_TEST,
            n_points=options.points,
            seconds=options.seconds,
            random_state=seed,
        )
        truth = bodies.keypoints[-N_TEST:]
        for head, n in runs:
            with tempfile.TemporaryDirectory() as folder:
                kp = KeypointRegressor("mobilenet", head=head, extractor=FeatureExtractor(cache=folder))
                started = time.perf_counter()
                kp.fit(bodies.images[:n], bodies.keypoints[:n])
                seconds[head, n].append(time.perf_counter() - started)
                gaps = (kp.predict(bodies.images[-N_TEST:]) - truth).reshape(N_TEST, -1, 2)
            errors[head, n].append(np.linalg.norm(gaps, axis=2).ravel())
        rows = []
        for head, n in runs:
            row = {"head": head, "frames": n, "seconds": float(np.mean(seconds[head, n]))}
            row |= {name: [figure(each) for each in errors[head, n]] for name, figure in FIGURES.items()}
            rows.append(row)
        if options.figures:  # after each seed: a run that is stopped has something to show
            options.figures.write_text(json.dumps(rows, indent=1))
        if options.curve:
            draw(rows, options.curve)
    for row in rows:
        head, n = row["head"], row["frames"]
        median, mean_rmse, share = (np.mean(row[name]) for name in FIGURES)
        each = ", ".join(f"{value:.1f}" for value in row["rmse"])
        print(
            f"{head:9} {n:4} frames   median {median:5.2f} px   RMSE {mean_rmse:5.2f} px ({each})   "
            f"far {share:5.1%}   fit {row['seconds']:5.1f} s"
        )


def draw(rows, path: Path) -> None:
    """Draw the median error against the number of frames, a line for each head."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    ax = figure.subplots()
    for number, head in enumerate(dict.fromkeys(row["head"] for row in rows)):
        of_head = [row for row in rows if row["head"] == head]
        frames = [row["frames"] for row in of_head]
        colour = f"C{number}"
        ax.plot(
            frames,
            [np.mean(row["median"]) for row in of_head],
            "o-",
            color=colour,
            label=NAMES.get(head, head),
        )
        for row in of_head:
            ax.plot(
                [row["frames"]] * len(row["median"]),
                row["median"],
                ".",
                color=colour,
                alpha=0.4,
                markersize=4,
            )
    ticks = sorted({row["frames"] for row in rows})
    ax.set(xscale="log", yscale="log", xlabel="Frames to learn from", ylabel="Median error (pixels)")
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    low, high = ax.get_ylim()
    heights = [height for height in (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48) if low <= height <= high]
    ax.set_yticks(heights, [f"{height:g}" for height in heights])
    ax.grid(alpha=0.3)
    ax.legend()
    figure.savefig(path, dpi=110)


def rmse(distances) -> float:
    return float(np.sqrt(np.mean(distances**2)))


def far(distances) -> float:
    return float(np.mean(distances > 3 * np.median(distances)))


FIGURES = {"median": lambda distances: float(np.median(distances)), "rmse": rmse, "far": far}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--frames", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the film")
    parser.add_argument("--heads", nargs="+")
    parser.add_argument("--figures", type=Path, help="write all figures to this JSON file")
    parser.add_argument("--curve", type=Path, help="draw the learning curve to this PNG file")
    parser.add_argument("--draw", type=Path, metavar="FIGURES", help="only draw what --figures has written")
    options = parser.parse_args()
    if options.weights is None and options.draw is None:
        parser.error("--weights is needed to train")
    if options.draw and not options.curve:
        parser.error("--curve is needed to say where to draw")
    options.frames = options.frames or ([10, 25, 50, 100] if options.curve else [10, 25, 50, 93])
    options.heads = options.heads or (["auto", "linear"] if options.curve else ["auto"])
    return options


if __name__ == "__main__":
    main()
