"""R10: tuberculosis on chest X-rays with ResNet50, the tutorial's head, beside the defaults.

    python examples/r10_tuberculosis_resnet50.py [FOLDER]      FOLDER/tuberculosis/*.png, FOLDER/healthy/*.png

Without a folder: drawn faces, offline; what is printed first says what to expect of them.
"""

import sys
from pathlib import Path

from sklearn.model_selection import train_test_split

from transferkit import Classifier, compare, evaluate, plots
from transferkit.datasets import make_faces, read_image_folder
from transferkit.heads import MLPHead

SEVEN = ["resnet50", "inception_resnet_v2", "mobilenet", "efficientnet_b0"]
SEVEN += ["densenet201", "inception_v3", "vgg19"]
OUTPUT = Path("transferkit-examples")


def read(folder, n):
    if folder:
        return read_image_folder(folder)
    print("No folder given: drawn faces on the scattering backbone, which shows the mechanics only.")
    faces = make_faces(n)
    return list(faces.images), faces.labels


def main(folder=None, n=200, epochs=100):
    images, labels = read(folder, n)
    backbone = {"backbone": "resnet50", "image_size": 100} if folder else {"backbone": "scattering"}
    split = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    train, held, y_train, y_held = split
    head = MLPHead(
        hidden=128, dropout=0.8, hidden_dropout=0.0, l2=0.3, batch_norm=True, output_batch_norm=True,
        learning_rate=1e-5 * 0.99**100, learning_rate_decay=0.99, batch_size=32, epochs=epochs,
        patience=10, monitor="accuracy", scaling="none", validation_fraction=0.2,
    )  # fmt: skip
    clf = Classifier(**backbone, layers="last", head=head, augment="strong").fit(train, y_train)
    default = Classifier("mobilenet" if folder else "scattering").fit(train, y_train)
    OUTPUT.mkdir(exist_ok=True)
    clf.save(OUTPUT / "r10.safetensors")
    parts = {
        "tutorial, train": evaluate(clf, train, y_train),
        "tutorial, held out": evaluate(clf, held, y_held),
        "defaults, held out": evaluate(default, held, y_held),
    }
    for name, evaluation in parts.items():
        print(name, evaluation, sep="\n")
        file = f"r10_matrix_{name.replace(', ', '_').replace(' ', '_')}.png"
        plots.plot_confusion_matrix(evaluation).figure.savefig(OUTPUT / file)
    print(f"The tutorial's head ran {len(clf.history_)} epochs of at most {epochs} at a learning rate of")
    print(f"{head.learning_rate:.1e}. So small a rate needs thousands of steps, and few images give few")
    print("steps an epoch. The defaults choose their penalty by cross-validation and have no rate to tune.")
    plots.plot_images(train, y_train, n=15)[0].figure.savefig(OUTPUT / "r10_images.png")
    plots.plot_history(clf)[0].figure.savefig(OUTPUT / "r10_history.png")
    plots.plot_roc(parts).figure.savefig(OUTPUT / "r10_roc.png")
    comparison = compare(SEVEN if folder else ["scattering", "pixels"], images, labels)
    print(comparison)
    plots.plot_comparison(comparison)[0].figure.savefig(OUTPUT / "r10_comparison.png")
    print(f"Curves, matrices, ROC and comparison: {OUTPUT}/r10_*.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
