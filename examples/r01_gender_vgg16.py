"""R1: man or woman with VGG16 at 256 pixels and the tutorial's head, then with the defaults.

    python examples/r01_gender_vgg16.py [FOLDER]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

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
    backbone = {"backbone": "vgg16", "image_size": 256} if folder else {"backbone": "scattering", "grid": 6}
    train, test, y_train, y_test = train_test_split(
        images, labels, test_size=0.2, random_state=0, stratify=labels
    )
    # On VGG16's map of 8 x 8 x 512 these are the tutorial's 2,949,889 parameters.
    head = ConvHead(filters=512, hidden=128, scaling="standard", epochs=epochs, patience=None)
    recipe = Classifier(**backbone, head=head, augment=None).fit(train, y_train)
    print("The tutorial's head:", recipe.report_)
    print(evaluate(recipe, test, y_test))

    clf = Classifier(**backbone).fit(train, y_train)
    print("The defaults of transferkit:", clf.report_)
    evaluation = evaluate(clf, test, y_test)
    print(evaluation)

    OUTPUT.mkdir(exist_ok=True)
    plots.plot_history(recipe)[0].figure.savefig(OUTPUT / "r01_history.png")
    plots.plot_mistakes(evaluation)[0].figure.savefig(OUTPUT / "r01_mistakes.png")
    print(f"Curves and the worst mistakes, all of pictures that training never saw: {OUTPUT}/r01_*.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
