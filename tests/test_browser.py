"""The page of the examples, in a real browser: it reads pictures and answers as transferkit does."""

import json

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from tests import browser
from transferkit import Backbone, Classifier, KeypointRegressor, export, set_config
from transferkit.datasets import make_faces
from transferkit.images import read_source

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.onnx_graphs import cnn  # noqa: E402 - needs onnx

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (browser.chromium() and browser.package()),
        reason="Chromium or npm's onnxruntime-web is not there",
    ),
]

FACES = make_faces(24, size=72, random_state=0)
SCRIPT = """
  const found = { pixels: {}, picked: {} };
  const classes = await openModel("model.onnx"), points = await openModel("points.onnx");
  found.labels = classes.facts.labels;
  for (const name of NAMES) {
    const pixels = await readPixels(await (await fetch(name)).blob());
    found.pixels[name] = [pixels.height, pixels.width, Array.from(pixels.data)];
  }
  for (const [name, height, width] of RAW) {
    const data = new Uint8Array(await (await fetch(name)).arrayBuffer());
    found[name] = [await classes.ask({ data, width, height }), await points.ask({ data, width, height })];
  }
  for (const name of ["plain.png", "broken.jpg"]) found.picked[name] = await pick(name);
  return found;
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return a classifier and a regressor of keypoints with a closer look, and the folder of their files."""
    folder = tmp_path_factory.mktemp("models")
    onnx.save(cnn(size=64), folder / "net.onnx")
    backbone = Backbone.from_onnx(folder / "net.onnx", mean=127.5, std=127.5)
    set_config(engine="onnxruntime", cache=False, progress=False)
    images, eyes = list(FACES.images), FACES.keypoints.reshape(24, -1, 2)[:, 36:43]
    classes = Classifier(backbone).fit(images, FACES.labels)
    points = KeypointRegressor(backbone, head="linear", refine=1).fit(images, eyes)
    for name, model in (("classes", classes), ("points", points)):
        export(model, folder / f"{name}.onnx")
    return classes, points, folder


def swapped_profile():
    """Return an ICC profile that swaps red and green: who obeys it, sees another picture."""
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")


def test_the_page_reads_and_answers_as_the_library(models, tmp_path):
    set_config(engine="onnxruntime", cache=False, progress=False)
    classes, points, folder = models
    face = np.ascontiguousarray(make_faces(1, size=80, random_state=5).images[0][:, :67])
    picture = PIL.Image.fromarray(face)
    picture.save(tmp_path / "plain.png")
    alpha = PIL.Image.fromarray(np.tile(np.arange(67, dtype=np.uint8) * 3, (80, 1)))
    PIL.Image.merge("RGBA", (*picture.split(), alpha)).save(tmp_path / "alpha.png")
    picture.save(tmp_path / "profile.png", icc_profile=swapped_profile())
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=turned, quality=95)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    names = ["plain.png", "alpha.png", "profile.png", "turned.jpg"]
    raw = [face, np.ascontiguousarray(FACES.images[3][:50])]
    files = {name: tmp_path / name for name in [*names, "broken.jpg"]}
    files |= {f"{i}.raw": image.tobytes() for i, image in enumerate(raw)}
    files |= {"model.onnx": folder / "classes.onnx", "points.onnx": folder / "points.onnx"}
    shapes = [[f"{i}.raw", *image.shape[:2]] for i, image in enumerate(raw)]
    script = SCRIPT.replace("NAMES", json.dumps(names)).replace("RAW", json.dumps(shapes))
    found = browser.run_in_browser(script, files)

    assert found["labels"] == classes.classes_.tolist()
    for name, most in zip(names, (0, 2, 0, 0), strict=True):  # alpha is blended in 8 bits either way
        height, width, data = found["pixels"][name]
        expected = np.array(read_source(tmp_path / name).decode().pixels)
        gaps = np.abs(np.array(data).reshape(height, width, 3) - expected.astype(int))
        assert gaps.max() <= most, name
    for i, image in enumerate(raw):
        probabilities, keypoints = found[f"{i}.raw"]
        np.testing.assert_allclose(probabilities, classes.predict_proba([image])[0], atol=1e-4)
        np.testing.assert_allclose(keypoints, points.predict([image]).ravel(), atol=0.02)
    rows = dict(found["picked"]["plain.png"]["rows"])
    expected = dict(zip(classes.classes_, classes.predict_proba([face])[0], strict=True))
    assert rows == {name: f"{100 * value:.1f} %" for name, value in expected.items()}
    assert found["picked"]["plain.png"]["state"].startswith("67 x 80 pixels")
    assert found["picked"]["broken.jpg"]["state"].startswith("broken.jpg cannot be used: ")
