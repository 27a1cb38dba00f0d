"""R7: ResNet50 at 300 pixels with two blocks of convolution, stopped at the best validation epoch.

    python examples/r07_gender_two_blocks.py [FOLDER]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

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


def main(folder=None, n=300, epochs=20):
    images, labels = read(folder, n)
    backbone = (
        {"backbone": "resnet50", "image_size": 300} if folder else {"backbone": "scattering", "grid": 6}
    )
    train, test, y_train, y_test = train_test_split(
        images, labels, test_size=0.1, random_state=42, stratify=labels
    )
    # Two numbers of filters are two blocks: Conv512 - pool - Conv512 - pool - Flatten - Dense512 - Dropout.
    head = ConvHead(filters=(512, 512), hidden=512, scaling="standard", epochs=epochs, patience=5)
    # The validation part is a tenth of the training pictures: the test pictures choose nothing.
    clf = Classifier(**backbone, head=head, augment=None, validation_fraction=0.1).fit(train, y_train)
    best = min(clf.history_, key=lambda row: row["val_loss"])
    print(f"stopped after epoch {len(clf.history_)}, kept the weights of epoch {best['epoch']}")
    print(evaluate(clf, test, y_test))
    OUTPUT.mkdir(exist_ok=True)
    plots.plot_history(clf)[0].figure.savefig(OUTPUT / "r07_history.png")
    print(f"Curves: {OUTPUT}/r07_history.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
