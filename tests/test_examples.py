"""Every example runs, small, offline: the same code on fewer pictures, for fewer epochs."""

import re
import runpy
from pathlib import Path

import pytest

import transferkit

FOLDER = Path(__file__).parent.parent / "examples"
SMALL = {  # what main() gets; the pictures that it leaves
    "r01_gender_vgg16": ({"n": 40, "epochs": 1}, 2),
    "r02_gender_resnet50": ({"n": 40, "epochs": 1}, 1),
    "r03_gender_from_scratch": ({"n": 40, "epochs": 1}, 1),
    "r04_gender_vgg16_300": ({"n": 40, "epochs": 1}, 1),
    "r05_gender_vgg19": ({"n": 40, "epochs": 1}, 0),
    "r06_gender_inception_v3": ({"n": 40, "folds": 2}, 1),
    "r07_gender_two_blocks": ({"n": 40, "epochs": 1}, 1),
    "r08_what_the_network_sees": ({"n": 4, "image_size": 32}, 3),
    "r09_keypoints_vgg16": ({"n": 40, "epochs": 1}, 2),
    "r10_tuberculosis_resnet50": ({"n": 40, "epochs": 1}, 6),
}
SAYS = {
    "r01_gender_vgg16": r"(?s)32 images: .*accuracy.*32 images: .*accuracy",
    "r02_gender_resnet50": r"(?s)perceptron accuracy .* 0 calls of .*\nlinear     .* 0 calls of the backbone",
    "r03_gender_from_scratch": r"from scratch accuracy \d+\.\d% \[.*\n.*transfer     accuracy",
    "r04_gender_vgg16_300": r"positive is glasses: sensitivity 0\.\d+ \(.*\n.*positive is no_glasses",
    "r05_gender_vgg19": r"same to the last bit: True",
    "r06_gender_inception_v3": r"on 40 pictures",
    "r07_gender_two_blocks": r"stopped after epoch 1, kept the weights of epoch 1",
    "r08_what_the_network_sees": r"(?s)0 input.*\nblock1_conv1|1 block1_conv1",
    "r09_keypoints_vgg16": r"(?s)tutorial\n.*transferkit\n",
    "r10_tuberculosis_resnet50": r"(?s)EXPECT CHANCE LEVEL.*train\n.*held\n.*scattering",
}


def test_every_example_is_here():
    assert set(SMALL) == set(SAYS) == {path.stem for path in FOLDER.glob("*.py")}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for all of them: they draw the same faces."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", SMALL)
def test_example(name, cache, tmp_path, capsys, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    options, n_pictures = SMALL[name]
    try:
        runpy.run_path(str(FOLDER / f"{name}.py"))["main"](**options)
    finally:
        pyplot.close("all")
    out = capsys.readouterr().out
    assert re.search(SAYS[name], out), out
    assert len(list(tmp_path.glob("transferkit-examples/*.png"))) == n_pictures


@pytest.mark.parametrize("name", SMALL)
def test_examples_are_short_and_use_the_public_api(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) < 60
    for module, names in re.findall(r"^from (transferkit\S*) import (.+)$", text, re.M):
        assert not re.search(r"\._", module)
        if module == "transferkit":
            assert set(names.split(", ")) <= set(transferkit.__all__)
