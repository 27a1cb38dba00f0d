"""R8: what the network sees: filters of its first and its last convolution.

    python examples/r08_what_the_network_sees.py [FOLDER]      FOLDER/any/*.jpg

Without a folder: drawn faces, with and without glasses, on a backbone without weights, offline.
"""

import sys
from pathlib import Path

from transferkit import extract_activations, list_layers, plots
from transferkit.datasets import make_faces, read_image_folder

OUTPUT = Path("transferkit-examples")


def main(folder=None, n=36, image_size=224):
    if folder:
        images, weights = read_image_folder(folder).paths[:n], "imagenet"
    else:
        print("No folder given: drawn faces, and random weights, which show the mechanics only.")
        images, weights = list(make_faces(n).images), None
    layers = list_layers("vgg16", image_size=image_size)
    for index, name in enumerate(layers):
        print(index, name)
    options = {"weights": weights, "image_size": image_size}
    first = extract_activations("vgg16", images, "block1_conv1", **options)
    last = extract_activations("vgg16", images[0], "block5_conv3", **options)
    OUTPUT.mkdir(exist_ok=True)
    for name, maps, filters in (
        ("first_layer_36_filters", first[0], None),
        ("first_layer_one_filter_36_images", first, 7),
        ("last_layer_36_filters", last[0], None),
    ):
        plots.plot_activations(maps, filters=filters)[0].figure.savefig(OUTPUT / f"r08_{name}.png")
    print(f"Three grids of 6 x 6: {OUTPUT}/r08_*.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
