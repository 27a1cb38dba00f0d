"""Every example runs, small, offline: the same code on fewer pictures, for fewer epochs."""

import re
import runpy
from pathlib import Path

import pytest

import transferkit

FOLDER = Path(__file__).parent.parent / "examples"
SMALL = {  # what main() gets; the plots that it leaves
    "gender R1": ({"n": 40, "epochs": 1}, 3),
    "gender R2": ({"n": 40, "epochs": 1}, 1),
    "gender R3": ({"n": 40, "epochs": 1}, 2),
    "gender R4": ({"n": 40, "epochs": 1}, 2),
    "gender R5": ({"n": 40, "epochs": 1}, 1),
    "gender R6": ({"n": 40, "folds": 2}, 2),
    "gender R7": ({"n": 40, "epochs": 1}, 2),
    "r08_what_the_network_sees": ({"n": 4, "image_size": 32}, 3),
    "r09_keypoints_vgg16": ({"n": 40, "epochs": 1}, 2),
    "r10_tuberculosis_resnet50": ({"n": 40, "epochs": 1}, 7),
}
QUICK = ("gender R1", "gender R6")
SAYS = {
    "gender R1": r"(?s)tutorial    accuracy .*transferkit accuracy \d+\.\d% \[",
    "gender R2": r"(?s)perceptron  accuracy .* 0 calls of .*\nlinear      .* 0 calls of the backbone",
    "gender R3": r"tutorial    accuracy \d+\.\d% \[.*\ntransferkit accuracy",
    "gender R4": r"positive is glasses: sensitivity 0\.\d+ \(.*\n.*positive is no_glasses",
    "gender R5": r"same to the last bit: True",
    "gender R6": r"2 folds    accuracy .* on 40 images",
    "gender R7": r"stopped after epoch 1, kept the weights of epoch 1",
    "r08_what_the_network_sees": r"(?s)0 input.*\nblock1_conv1|1 block1_conv1",
    "r09_keypoints_vgg16": r"(?s)tutorial\n.*transferkit\n",
    "r10_tuberculosis_resnet50": r"(?s)train\n.*defaults, held out\n.*\de-06\. So small.*scattering",
}
FILES = sorted({name.split()[0] for name in SMALL})


def test_every_example_is_here():
    assert set(SMALL) == set(SAYS)
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == FILES
    recipes = runpy.run_path(str(FOLDER / "gender.py"))["RECIPES"]
    assert [name for name in SMALL if name.startswith("gender")] == [f"gender {name}" for name in recipes]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for all of them: they draw the same faces."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in SMALL]
)
def test_example(name, cache, tmp_path, capsys, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    options, n_plots = SMALL[name]
    try:
        file, *recipe = name.split()
        options = options | {"recipe": recipe[0]} if recipe else options
        runpy.run_path(str(FOLDER / f"{file}.py"))["main"](**options)
    finally:
        pyplot.close("all")
    out = capsys.readouterr().out
    assert re.search(SAYS[name], out), out
    assert len(list(tmp_path.glob("transferkit-examples/*.png"))) == n_plots


@pytest.mark.parametrize("name", FILES)
def test_examples_are_short_and_use_the_public_api(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) < 160
    for module, names in re.findall(r"^from (transferkit\S*) import (.+)$", text, re.M):
        assert not re.search(r"\._", module)
        if module == "transferkit":
            assert set(names.split(", ")) <= set(transferkit.__all__)
