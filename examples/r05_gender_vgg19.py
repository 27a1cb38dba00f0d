"""R5: VGG19 at 300 pixels: train once, save, and predict elsewhere.

    python examples/r05_gender_vgg19.py [FOLDER]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

Without a folder: drawn faces, with and without glasses, on a backbone without weights, offline.
"""

import sys
from pathlib import Path

from sklearn.model_selection import train_test_split

from transferkit import Classifier, evaluate, load
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
    backbone = {"backbone": "vgg19", "image_size": 300} if folder else {"backbone": "scattering", "grid": 6}
    train, test, y_train, y_test = train_test_split(
        images, labels, test_size=0.1, random_state=42, stratify=labels
    )
    head = ConvHead(filters=512, hidden=512, batch_size=16, epochs=epochs, patience=None)
    clf = Classifier(**backbone, head=head, augment=None).fit(train, y_train)
    print(evaluate(clf, test, y_test))

    OUTPUT.mkdir(exist_ok=True)
    clf.save(OUTPUT / "r05_vgg19.safetensors")  # arrays and plain data, no pickle
    again = load(OUTPUT / "r05_vgg19.safetensors")
    print("One picture:", again.predict(test[0])[0], "and the truth:", y_test[0])
    same = bool((again.predict_proba(test) == clf.predict_proba(test)).all())
    print(f"The loaded model predicts the same to the last bit: {same}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
