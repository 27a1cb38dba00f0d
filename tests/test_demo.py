"""The demo, small: it runs offline, says what it did, and leaves what it names."""

import sys

import pytest
from PIL import Image

import transferkit
from transferkit.cli._demo import _draw_keypoints, run_demo


@pytest.mark.slow
def test_demo(tmp_path):
    table = run_demo(tmp_path / "demo", n=90)
    lines = {line.split("  ")[0]: line.split() for line in table.splitlines() if line}
    assert lines["classifier"][-2:] == [
        "6",
        "0%",
    ]  # 60 images and their mirror images in batches, and alone
    assert lines["classifier, second head"][-2:] == ["0", "100%"]
    # The picture and its mirror image apart, then squares: around what was found, and moved to learn from.
    assert lines["keypoint regressor"][-2:] == ["25", "0%"]
    assert "baseline" in table
    with Image.open(tmp_path / "demo" / "keypoints.png") as picture:
        assert picture.size == (1200, 420)
        assert len(picture.getcolors(1 << 20)) > 1000
    model = transferkit.load(tmp_path / "demo" / "keypoints.safetensors")
    faces = transferkit.datasets.make_faces(2, random_state=9)
    assert model.predict(faces.images).shape == (2, 136)


def test_without_matplotlib_there_is_no_picture_and_the_table_says_so(tmp_path, monkeypatch):
    faces = transferkit.datasets.make_faces(2, random_state=9)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    line = _draw_keypoints(faces, faces.keypoints, tmp_path / "keypoints.png")
    assert 'pip install "transferkit[plots]"' in line
    assert list(tmp_path.iterdir()) == []
