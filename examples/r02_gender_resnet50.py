"""R2: man or woman with ResNet50 at 256 pixels: another head costs no second run of the backbone.

    python examples/r02_gender_resnet50.py [FOLDER]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

Without a folder: drawn faces, with and without glasses, on a backbone without weights, offline.
"""

import sys
import time
from pathlib import Path

from sklearn.model_selection import train_test_split

from transferkit import Classifier, evaluate, plots
from transferkit.datasets import make_faces, read_image_folder
from transferkit.heads import ConvHead, MLPHead

OUTPUT = Path("transferkit-examples")


def read(folder, n):
    if folder:
        return read_image_folder(folder)
    print("No folder given: drawn faces on the scattering backbone, which shows the mechanics only.")
    faces = make_faces(n)
    return list(faces.images), faces.labels


def main(folder=None, n=200, epochs=20):
    images, labels = read(folder, n)
    # One grid for all heads (8 cells are ResNet50's whole map), so that they share what is in the cache.
    shared = {"layers": "last", "grid": 8 if folder else 6, "augment": None}
    backbone = {"backbone": "resnet50", "image_size": 256} if folder else {"backbone": "scattering"}
    width = 2048 if folder else 256
    split = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    train, test, y_train, y_test = split
    training = {"epochs": epochs, "patience": None}
    heads = {
        # 2048 filters on ResNet50's map of 8 x 8 x 2048 are the tutorial's 56,627,201 parameters.
        "tutorial": ConvHead(filters=width, hidden=width // 2, scaling="standard", **training),
        "perceptron": MLPHead(**training),
        "linear": "linear",
    }
    evaluations = {}
    for name, head in heads.items():
        started = time.perf_counter()
        clf = Classifier(**backbone, **shared, head=head).fit(train, y_train)
        seconds = time.perf_counter() - started
        evaluations[name] = evaluate(clf, test, y_test)
        accuracy = evaluations[name].figures["accuracy"]
        print(f"{name:10} accuracy {accuracy.value:.1%} [{accuracy.low:.1%}, {accuracy.high:.1%}],", end=" ")
        print(f"fitted in {seconds:.0f} s with {clf.report_.n_backbone_calls} calls of the backbone")
    OUTPUT.mkdir(exist_ok=True)
    plots.plot_roc(evaluations).figure.savefig(OUTPUT / "r02_roc.png")
    print(f"ROC curves: {OUTPUT}/r02_roc.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
