"""LiteRT files answer as the model does, from the squares that a backbone sees."""

import ast
import functools
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from transferkit import Classifier, FeatureExtractor, ImageRegressor, KeypointRegressor, export, set_config
from transferkit.datasets import make_faces
from transferkit.heads import ConvHead, KeypointMapHead, MLPHead

pytest.importorskip("ai_edge_litert", reason="extra litert")
pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parent.parent / "examples" / "exported" / "run_litert.py"
FACES = make_faces(24, size=72, random_state=0)
EYES = FACES.keypoints.reshape(24, -1, 2)[:, 36:43]
# What pixels tell: answers that hardly differ would allow no difference.
LIGHT = np.stack([FACES.images.mean(axis=(1, 2, 3)), FACES.images.std(axis=(1, 2, 3))], axis=1)
THIRDS = LIGHT[:, 0].argsort().argsort() // 8
CONV = ConvHead(filters=(16, 32), pool_size=(2, 1), hidden=32, epochs=6, scaling="standard")
KINDS = {
    "classes": (Classifier, {}, FACES.labels),
    "a network": (
        Classifier,
        {"backbone": "mobilenet", "weights": None, "image_size": 64, "head": "linear"},
        FACES.labels,
    ),
    "three classes": (Classifier, {"augment": "multi", "head": "linear"}, THIRDS),
    "padded": (Classifier, {"extractor": FeatureExtractor(resize="pad")}, FACES.labels),
    "labels": (Classifier, {}, np.median(LIGHT, axis=0) < LIGHT),
    "values": (ImageRegressor, {"backbone": "pixels"}, LIGHT),
    "mlp": (
        Classifier,
        {"head": MLPHead(hidden=8, epochs=2, batch_norm=True), "calibrate": None},
        FACES.labels,
    ),
    "conv": (Classifier, {"head": CONV, "calibrate": None}, FACES.labels),
    "points": (KeypointRegressor, {"head": "linear", "refine": 0}, FACES.keypoints),
    "few points": (KeypointRegressor, {"head": "score_map", "refine": 0}, EYES),
    "points by a network": (
        KeypointRegressor,
        {"head": KeypointMapHead(epochs=2, hidden=16, channels=4), "refine": 0},
        FACES.keypoints,
    ),
}


def fitted(kind):
    set_config(cache=False, progress=False)
    estimator, parameters, y = KINDS[kind]
    # Random weights give features that hardly differ, of which heads make answers out of rounding.
    settings = {"backbone": "scattering"} | parameters
    return estimator(**settings).fit(list(FACES.images), y)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a model of a kind, its file and the report; each is fitted and exported once."""

    @functools.cache
    def make(kind):
        model, path = fitted(kind), tmp_path_factory.mktemp("exported") / "model.tflite"
        return model, path, export(model, path, format="litert")

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_answers_as_the_model(kind, exported):
    model, path, report = exported(kind)
    assert report.difference <= report.tolerance / 3
    # Answers that hardly differ would prove nothing; random weights of a network give no others.
    if isinstance(model, Classifier) and kind != "a network":
        assert np.ptp(model.predict_proba(list(FACES.images)), axis=0).max() > 20 * report.tolerance
    assert [each.name for each in path.parent.iterdir()] == ["model.tflite"]
    facts = json.loads(zipfile.ZipFile(path).read("transferkit.json"))
    assert facts["image_size"] == model.extractor_.image_size_
    assert facts["resize"] == ("pad" if kind == "padded" else "stretch")


def test_a_file_takes_several_squares(exported):
    from ai_edge_litert.interpreter import Interpreter

    model, path, _ = exported("classes")
    interpreter = Interpreter(str(path))
    squares = np.stack(make_faces(3, size=model.extractor_.image_size_, random_state=9).images)
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(entry["index"], squares.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], squares)
    interpreter.invoke()
    expected = model.predict_proba(list(squares))
    np.testing.assert_allclose(interpreter.get_tensor(end["index"]), expected, atol=1e-4)


def test_the_program_runs_files_without_transferkit(exported, tmp_path):
    model, path, _ = exported("classes")
    face = np.ascontiguousarray(FACES.images[1][:60])
    PIL.Image.fromarray(face).save(tmp_path / "face.png")
    code = f"""
import runpy, sys
for name in ("transferkit", "tensorflow", "keras"):
    sys.modules[name] = None
sys.argv = ["program", {str(path)!r}, "face.png"]
runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    name, _, answer = done.stdout.partition(" ")
    assert name == "face.png"
    found = ast.literal_eval(answer)
    assert list(found) == model.classes_.tolist()
    np.testing.assert_allclose(list(found.values()), model.predict_proba(face)[0], atol=1e-4)
