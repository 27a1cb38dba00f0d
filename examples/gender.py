"""R1 to R7: man or woman, by the seven recipes of a public tutorial, beside the defaults of transferkit.

    python examples/gender.py --recipe R1 [FOLDER]      FOLDER/man/*.jpg, FOLDER/woman/*.jpg

Without a folder: drawn faces, with and without glasses, on a backbone without weights, offline.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split

from transferkit import Classifier, evaluate, load, plots
from transferkit.datasets import make_faces, read_image_folder
from transferkit.heads import ConvHead, Head, MLPHead
from transferkit.metrics import wilson_interval

OUTPUT = Path("transferkit-examples")


@dataclass
class Recipe:
    """What one page of the tutorial chooses; all heads train on the same features."""

    title: str
    backbone: str
    image_size: int
    heads: dict[str, Head | str]
    test_size: float = 0.1
    seed: int = 42
    grid: int | str = "auto"


def conv(filters=512, *, epochs=10, patience=None, **fields):
    """Conv2D - MaxPooling2D, once for each number of filters, then Flatten - Dense - Dropout - Dense."""
    return ConvHead(filters=filters, epochs=epochs, patience=patience, **fields)


FROM_SCRATCH = conv(
    (64, 128, 256, 512), padding=("valid", "same", "same", "same"), pool_size=(2, 2, 2, 1),
    hidden=100, dropout=0, scaling="none",  # "pixels" are divided by 255 already
)  # fmt: skip
RECIPES = {
    "R1": Recipe("VGG16 at 256 pixels: curves, and the mistakes",
                 "vgg16", 256, {"tutorial": conv(512, hidden=128, scaling="standard", epochs=20)}, 0.2, 0),
    "R2": Recipe("ResNet50: three heads from one run of the backbone",
                 "resnet50", 256,
                 {"tutorial": conv(2048, hidden=1024, scaling="standard", epochs=20),
                  "perceptron": MLPHead(epochs=20, patience=None), "linear": "linear"}, 0.2, 0, grid=8),
    "R3": Recipe("a network trained from nothing, which transfer learning beats",
                 "pixels", 50, {"tutorial": FROM_SCRATCH}, 0.2, 0),
    "R4": Recipe("features over their training maximum, and a positive class of one's choice",
                 "vgg16", 300,
                 {"tutorial": conv(512, hidden=512, dropout=0.5, scaling="max", batch_size=16)}),
    "R5": Recipe("VGG19: train once, save, predict elsewhere",
                 "vgg19", 300, {"tutorial": conv(512, hidden=512, batch_size=16)}),
    "R6": Recipe("InceptionV3, cross-validated: every image predicted by a model that never saw it",
                 "inception_v3", 300, {}),
    "R7": Recipe("ResNet50 and two blocks of convolution, stopped at the best validation epoch",
                 "resnet50", 300,
                 {"tutorial": conv((512, 512), hidden=512, scaling="standard", epochs=20, patience=5,
                                   validation_fraction=0.1)}),
}  # fmt: skip


def show(name, clf, evaluation, test, y_test):
    """Print and draw what the recipe is about; `clf` is the tutorial's model."""
    drawn = {}
    if name in ("R1", "R3", "R7"):
        drawn["history"] = plots.plot_history(clf)[0].figure
    if name == "R1":
        drawn["mistakes"] = plots.plot_mistakes(evaluation)[0].figure
    if name == "R4":
        for positive in clf.classes_:  # labels stay words; measuring asks which one counts as positive
            figures = evaluate(clf, test, y_test, pos_label=positive).figures
            print(f"positive is {positive}: sensitivity {figures['sensitivity']},", end=" ")
            print(f"specificity {figures['specificity']}")
        drawn["confusion"] = plots.plot_confusion_matrix(evaluation).figure
    if name == "R5":
        clf.save(OUTPUT / "R5.safetensors")  # arrays and plain data, no pickle
        again = load(OUTPUT / "R5.safetensors")
        same = bool((again.predict_proba(test) == clf.predict_proba(test)).all())
        print(f"The loaded model predicts the same to the last bit: {same}")
    if name == "R7":
        best = min(clf.history_, key=lambda row: row["val_loss"])
        print(f"stopped after epoch {len(clf.history_)}, kept the weights of epoch {best['epoch']}")
    return drawn


def cross_validate(clf, images, labels, folds):
    """Return the plot of probabilities; from the second fold on, all features come from the cache."""
    shuffle = StratifiedKFold(folds, shuffle=True, random_state=0)
    proba = cross_val_predict(clf, images, labels, cv=shuffle, method="predict_proba")
    classes = np.unique(labels)
    right = int((classes[proba.argmax(axis=1)] == labels).sum())
    low, high = wilson_interval(right, len(labels))
    print(
        f"{folds} folds    accuracy {right / len(labels):.1%} [{low:.1%}, {high:.1%}] on {len(labels)} images"
    )
    return {"calibration": plots.plot_calibration(labels, proba).figure}


def main(folder=None, recipe="R1", n=300, epochs=None, folds=5):
    chosen = RECIPES[recipe]
    print(f"{recipe}, {chosen.title}")
    if folder:
        images, labels = read_image_folder(folder)
        backbone = {"backbone": chosen.backbone, "image_size": chosen.image_size, "grid": chosen.grid}
        default = {"backbone": "mobilenet"}
    else:
        print("No folder given: drawn faces on the scattering backbone, which shows the mechanics only.")
        faces = make_faces(n)
        images, labels = list(faces.images), faces.labels
        backbone = default = {"backbone": "scattering", "grid": 6}
        if recipe == "R2":  # as many filters as the map has channels, as in the tutorial, but on a small map
            smaller = replace(chosen.heads["tutorial"], filters=256, hidden=128)
            chosen = replace(chosen, heads=chosen.heads | {"tutorial": smaller})
        if recipe == "R3":
            backbone = {"backbone": "pixels", "image_size": chosen.image_size}
    models = {}
    for title, head in chosen.heads.items():
        head = replace(head, epochs=epochs) if epochs and head != "linear" else head
        models[title] = Classifier(**backbone, layers="last", augment=None, head=head)
    models["transferkit"] = Classifier(**(default if chosen.heads else backbone))  # the default head

    train, test, y_train, y_test = train_test_split(
        images, labels, test_size=chosen.test_size, random_state=chosen.seed, stratify=labels
    )
    evaluations = {}
    for title, clf in models.items():
        started = time.perf_counter()
        clf.fit(train, y_train)
        seconds = time.perf_counter() - started
        evaluations[title] = evaluate(clf, test, y_test)
        accuracy = evaluations[title].figures["accuracy"]
        print(f"{title:11} accuracy {accuracy.value:.1%} [{accuracy.low:.1%}, {accuracy.high:.1%}],", end=" ")
        print(f"fitted in {seconds:.0f} s with {clf.report_.n_backbone_calls} calls of the backbone")
    OUTPUT.mkdir(exist_ok=True)
    if recipe == "R6":
        drawn = cross_validate(models["transferkit"], images, labels, folds)
    else:
        drawn = show(recipe, models["tutorial"], evaluations["tutorial"], test, y_test)
    drawn["roc"] = plots.plot_roc(evaluations).figure
    for what, figure in drawn.items():
        figure.savefig(OUTPUT / f"{recipe}_{what}.png")
    print(f"Plots of images that training never saw: {OUTPUT}/{recipe}_*.png")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", nargs="?")
    arguments.add_argument("--recipe", choices=RECIPES, default="R1")
    main(**vars(arguments.parse_args()))
