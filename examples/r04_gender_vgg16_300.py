"""R4: VGG16 at 300 pixels, features over the training maximum, and a positive class of one's choice.

    python examples/r04_gender_vgg16_300.py [FOLDER]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

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


def main(folder=None, n=300, epochs=10):
    images, labels = read(folder, n)
    backbone = {"backbone": "vgg16", "image_size": 300} if folder else {"backbone": "scattering", "grid": 6}
    train, test, y_train, y_test = train_test_split(
        images, labels, test_size=0.1, random_state=42, stratify=labels
    )
    # scaling="max" divides by the maximum of the training features; predictions use the same number.
    head = ConvHead(
        filters=512, hidden=512, dropout=0.5, scaling="max", batch_size=16, epochs=epochs, patience=None
    )
    clf = Classifier(**backbone, head=head, augment=None).fit(train, y_train)
    for (
        positive
    ) in clf.classes_:  # labels stay words: which one counts as positive is asked for when measuring
        evaluation = evaluate(clf, test, y_test, pos_label=positive)
        sensitivity, specificity = (evaluation.figures[name] for name in ("sensitivity", "specificity"))
        print(f"positive is {positive}: sensitivity {sensitivity}, specificity {specificity}")
    print(evaluation)
    OUTPUT.mkdir(exist_ok=True)
    plots.plot_confusion_matrix(evaluation).figure.savefig(OUTPUT / "r04_confusion.png")
    print(f"Confusion matrix: {OUTPUT}/r04_confusion.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
