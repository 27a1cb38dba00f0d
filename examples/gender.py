"""Two classes from pictures in folders, as in the well-known VGG16 tutorials, in a few lines.

    python examples/gender.py [FOLDER [BACKBONE]]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

Without a folder it draws faces, with and without glasses, and needs neither a network nor weights.
"""

import sys

from sklearn.model_selection import train_test_split

from transferkit import Classifier
from transferkit.datasets import make_faces, read_image_folder


def main(folder=None, backbone="scattering"):
    if folder:
        images, labels = read_image_folder(folder)
    else:
        faces = make_faces(300)
        images, labels = list(faces.images), faces.labels
    train, test, y_train, y_test = train_test_split(
        images, labels, test_size=0.2, random_state=0, stratify=labels
    )
    clf = Classifier(backbone).fit(train, y_train)
    print(clf.report_)
    print(f"accuracy {clf.score(test, y_test):.1%} on {len(test)} pictures that training never saw")
    for picture, truth, chances in zip(test[:5], y_test, clf.predict_proba(test[:5]), strict=False):
        name = picture if folder else "a drawn face"
        print(f"{name}: {truth}, predicted {clf.classes_[chances.argmax()]} ({chances.max():.0%})")


if __name__ == "__main__":
    main(*sys.argv[1:])
