"""The server of the examples answers as the model does, and refuses what is no picture."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.onnx_graphs import cnn
from transferkit import Backbone, Classifier, export
from transferkit.datasets import make_faces
from transferkit.images import load_image

testing = pytest.importorskip("fastapi.testclient", reason="extra benchmarks")
PROGRAM = Path(__file__).parent.parent / "examples" / "exported" / "serve.py"
FACES = make_faces(24, size=72, random_state=0)
HALF = {"mean": 127.5, "std": 127.5}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model, and a client of its server."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFERKIT_CACHE", str(folder / "cache"))
        onnx.save(cnn(size=64), folder / "net.onnx")
        model = Classifier(Backbone.from_onnx(folder / "net.onnx", **HALF)).fit(
            list(FACES.images), FACES.labels
        )
        export(model, folder / "model.onnx", probes=[FACES.images[0]])
        patch.setenv("MODEL", str(folder / "model.onnx"))
        spec = importlib.util.spec_from_file_location("serve", PROGRAM)
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
        yield model, testing.TestClient(program.app), program


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_answers_are_those_of_the_model(served):
    model, client, _ = served
    for size in ((72, 72), (40, 90)):
        pixels = np.asarray(Image.fromarray(FACES.images[1]).resize(size))
        found = client.post("/predict", content=png(pixels)).json()["probabilities"]
        assert list(found) == model.classes_.tolist()
        np.testing.assert_allclose(list(found.values()), model.predict_proba([pixels])[0], atol=1e-4)
    assert client.get("/").json()["labels"] == model.classes_.tolist()


def test_transparent_pictures_are_read_as_by_the_model(served):
    model, client, program = served
    picture = Image.fromarray(FACES.images[1])
    picture.putalpha(Image.radial_gradient("L").resize(picture.size))
    palette = picture.convert("RGB").quantize(16)
    palette.info["transparency"] = 3
    for see_through in (picture, palette, Image.fromarray(FACES.images[1]).convert("CMYK")):
        file = io.BytesIO()
        see_through.save(file, "TIFF" if see_through.mode == "CMYK" else "PNG")
        np.testing.assert_array_equal(program.read(file.getvalue()), load_image(file.getvalue()).pixels)
        found = client.post("/predict", content=file.getvalue()).json()["probabilities"]
        np.testing.assert_allclose(list(found.values()), model.predict_proba(file.getvalue())[0], atol=1e-4)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"no picture", 422, "must be a picture"),
        (b"", 422, "must be a picture"),
        (png(np.full((20, 20), 30_000, np.uint16)), 422, "more than 8 bits"),
        (png(np.zeros((3, 3, 3), np.uint8)), 422, "3 x 3 pixels"),
        (png(np.zeros((6, 400, 3), np.uint8)), 422, "400 x 6 pixels"),
        (b"x" * 1001, 413, "1,000 bytes or fewer"),
    ],
)
def test_what_is_no_picture_is_refused(served, monkeypatch, body, status, message):
    _, client, program = served
    monkeypatch.setattr(program, "LARGEST_FILE", 1000)
    refused = client.post("/predict", content=body)
    assert refused.status_code == status
    assert message in refused.json()["detail"]
