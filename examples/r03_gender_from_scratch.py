"""R3: the baseline that transfer learning beats: a network trained from nothing, on pixels.

    python examples/r03_gender_from_scratch.py [FOLDER]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

Without a folder: drawn faces, with and without glasses, on a backbone without weights, offline.
"""

import sys
from pathlib import Path

from sklearn.model_selection import train_test_split

from transferkit import Classifier, evaluate, plots
from transferkit.datasets import make_faces, read_image_folder
from transferkit.heads import ConvHead

OUTPUT = Path("transferkit-examples")


def read(folder, n):
    if folder:
        return read_image_folder(folder)
    print("No folder given: drawn faces on the scattering backbone, which shows the mechanics only.")
    faces = make_faces(n)
    return list(faces.images), faces.labels


def main(folder=None, n=300, epochs=10, image_size=50, pool_size=2):
    """The tutorial's three runs are image_size=300; image_size=50; image_size=300 with pool_size=3."""
    images, labels = read(folder, n)
    train, test, y_train, y_test = train_test_split(
        images, labels, test_size=0.2, random_state=0, stratify=labels
    )
    network = ConvHead(
        filters=(64, 128, 256, 512),
        padding=("valid", "same", "same", "same"),
        pool_size=(pool_size, pool_size, pool_size, 1),  # no pooling after the last
        hidden=100,
        dropout=0,
        scaling="none",  # pixels are divided by 255 already
        epochs=epochs,
        patience=None,
    )
    scratch = Classifier("pixels", image_size=image_size, head=network, augment=None).fit(train, y_train)
    transfer = Classifier("mobilenet" if folder else "scattering").fit(train, y_train)
    for name, clf in (("from scratch", scratch), ("transfer", transfer)):
        accuracy = evaluate(clf, test, y_test).figures["accuracy"]
        print(f"{name:12} accuracy {accuracy.value:.1%} [{accuracy.low:.1%}, {accuracy.high:.1%}]")
    OUTPUT.mkdir(exist_ok=True)
    plots.plot_history(scratch)[0].figure.savefig(OUTPUT / "r03_history.png")
    print(f"Training and validation part where the network learns by heart: {OUTPUT}/r03_history.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
