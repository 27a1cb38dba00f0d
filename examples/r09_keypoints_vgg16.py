"""R9: 68 facial keypoints with VGG16 and the tutorial's head, then with the defaults.

    python examples/r09_keypoints_vgg16.py [FILE.csv]      FILE.csv: file name, x0, y0, ..., x67, y67

Without a table: drawn faces, with and without glasses, on a backbone without weights, offline.
"""

import sys
from pathlib import Path

from sklearn.model_selection import GroupShuffleSplit

from transferkit import KeypointRegressor, evaluate, plots
from transferkit.datasets import make_faces, read_keypoints_csv
from transferkit.heads import ConvHead

OUTPUT = Path("transferkit-examples")


def main(table=None, n=300, epochs=10):
    if table:
        images, keypoints = read_keypoints_csv(table)
        people = [path.stem.rsplit("_", 1)[0] for path in images]  # Some_Person_21.jpg
        backbone = {"backbone": "vgg16", "image_size": 224}
    else:
        print("No table given: drawn faces on the scattering backbone, which shows the mechanics only.")
        faces = make_faces(n)
        images, keypoints, people = list(faces.images), faces.keypoints, list(range(n))
        backbone = {"backbone": "scattering", "grid": 6}
    # No person is in training and in test.
    train, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(images, groups=people))
    seen, groups = [[of[i] for i in train] for of in (images, people)]
    held = [images[i] for i in test]

    head = ConvHead(
        filters=512, hidden=512, output_activation="sigmoid", epochs=epochs, patience=None,
        validation_fraction=0.1,
    )  # fmt: skip
    recipe = KeypointRegressor(**backbone, head=head, augment=None)
    recipe.fit(seen, keypoints[train], groups=groups)
    default = KeypointRegressor("mobilenet" if table else "scattering")
    default.fit(seen, keypoints[train], groups=groups)
    evaluations = {
        "tutorial": evaluate(recipe, held, keypoints[test]),
        "transferkit": evaluate(default, held, keypoints[test]),
    }
    for name, evaluation in evaluations.items():
        print(name, evaluation, sep="\n")
    OUTPUT.mkdir(exist_ok=True)
    plots.plot_keypoints(evaluations["transferkit"])[0].figure.savefig(OUTPUT / "r09_keypoints.png")
    curves = {name: evaluation.errors for name, evaluation in evaluations.items()}
    plots.plot_error_curve(curves, limit=0.3).figure.savefig(OUTPUT / "r09_errors.png")
    print(f"Predictions, and how many faces are within which error: {OUTPUT}/r09_*.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
