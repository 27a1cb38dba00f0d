"""Draw the figure at the top of the README, offline: ``python docs/first_look.py``.

Both estimators learn drawn faces with the scattering backbone, and answer on faces that they have not seen.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from transferkit import Classifier, KeypointRegressor, config_context
from transferkit.datasets import Faces, make_faces
from transferkit.plots import plot_keypoints

OUTPUT = Path(__file__).parent / "_static" / "first_look.png"
MOST_BYTES = 150_000
RIGHT, WRONG = "#1b7f4d", "#c03d2f"


def main(n_train: int = 500, output: Path = OUTPUT) -> None:
    """Train on drawn faces and write the figure."""
    faces = make_faces(n_train + 16, size=160, clutter=0.4)
    train = Faces(*(values[:n_train] for values in faces))
    test = Faces(*(values[n_train:] for values in faces))
    with config_context(cache=False, progress=False):
        points = KeypointRegressor("scattering").fit(train.images, train.keypoints).predict(test.images[:4])
        classifier = Classifier("scattering").fit(train.images, train.labels)
        probabilities = classifier.predict_proba(test.images[4:])
    figure = draw(test, points, classifier.classes_, probabilities)
    output.write_bytes(as_small_png(figure))


def draw(test: Faces, points: Any, classes: Any, probabilities: Any) -> Figure:
    """Return four faces with their keypoints, above twelve with their predicted labels."""
    figure = Figure(figsize=(10, 6.9), layout="constrained", facecolor="white")
    above, below = figure.subfigures(2, 1, height_ratios=(2.85, 4.05))
    above.suptitle("KeypointRegressor: 68 points on faces it has not seen", fontsize=13, weight="bold")
    plot_keypoints(test.images[:4], points, n=4, ax=above.subplots(1, 4))
    below.suptitle("Classifier: glasses or not, with its probability", fontsize=13, weight="bold")
    for ax, image, truth, chances in zip(
        below.subplots(2, 6).flat, test.images[4:], test.labels[4:], probabilities, strict=True
    ):
        best = int(np.argmax(chances))
        ax.imshow(image)
        ax.set_axis_off()
        ax.set_title(
            f"{classes[best].replace('_', ' ')}  {chances[best]:.0%}",
            fontsize=11,
            color=RIGHT if classes[best] == truth else WRONG,
        )
    return figure


def as_small_png(figure: Figure) -> bytes:
    """Return a PNG file of at most ``MOST_BYTES``, in as many colours as fit."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=90)
    picture = Image.open(drawn).convert("RGB")
    for n_colours in (256, 192, 128, 96, 64):
        small = BytesIO()
        picture.quantize(n_colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if len(small.getvalue()) <= MOST_BYTES:
            break
    return small.getvalue()


if __name__ == "__main__":
    main()
