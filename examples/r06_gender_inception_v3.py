"""R6: InceptionV3 at 300 pixels, by cross-validation: five accuracies from one run of the backbone.

    python examples/r06_gender_inception_v3.py [FOLDER]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

Without a folder: drawn faces, with and without glasses, on a backbone without weights, offline.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from transferkit import Classifier, plots
from transferkit.datasets import make_faces, read_image_folder
from transferkit.metrics import wilson_interval

OUTPUT = Path("transferkit-examples")


def read(folder, n):
    if folder:
        return read_image_folder(folder)
    print("No folder given: drawn faces on the scattering backbone, which shows the mechanics only.")
    faces = make_faces(n)
    return list(faces.images), faces.labels


def main(folder=None, n=300, folds=5):
    images, labels = read(folder, n)
    backbone = {"backbone": "inception_v3", "image_size": 300} if folder else {"backbone": "scattering"}
    clf = Classifier(**backbone, head="linear")
    shuffle = StratifiedKFold(folds, shuffle=True, random_state=0)
    # Each fold asks for features of all pictures; from the second on, the cache has them.
    predicted = cross_val_predict(clf, images, labels, cv=shuffle)
    probabilities = cross_val_predict(clf, images, labels, cv=shuffle, method="predict_proba")
    low, high = wilson_interval(int((predicted == labels).sum()), len(labels))
    print(f"accuracy {np.mean(predicted == labels):.1%} [{low:.1%}, {high:.1%}] on {len(labels)} pictures,")
    print(f"each predicted by a model that never saw it, in {folds} folds")
    OUTPUT.mkdir(exist_ok=True)
    plots.plot_calibration(labels, probabilities).figure.savefig(OUTPUT / "r06_calibration.png")
    print(f"Whether probabilities mean what they say: {OUTPUT}/r06_calibration.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
