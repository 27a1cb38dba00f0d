"""68 facial keypoints, as in the well-known tutorials, in a few lines.

    python examples/keypoints.py [TABLE.csv [BACKBONE]]      file name, x0, y0, ..., x67, y67 in pixels

Without a table it draws faces, and needs neither a network nor weights.
"""

import sys

from transferkit import KeypointRegressor
from transferkit.datasets import make_faces, read_keypoints_csv
from transferkit.metrics import normalized_mean_error


def main(table=None, backbone="scattering"):
    if table:
        images, keypoints = read_keypoints_csv(table)
    else:
        faces = make_faces(300)
        images, keypoints = list(faces.images), faces.keypoints
    n_train = int(0.8 * len(images))
    kp = KeypointRegressor(backbone).fit(images[:n_train], keypoints[:n_train])
    print(kp.report_)
    error = normalized_mean_error(keypoints[n_train:], kp.predict(images[n_train:]))
    print(f"mean error {error:.1%} of the distance of the outer eye corners")
    print("first point of the first test image:", kp.predict(images[n_train])[0, :2].round(1), "pixels")


if __name__ == "__main__":
    main(*sys.argv[1:])
