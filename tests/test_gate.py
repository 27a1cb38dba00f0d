"""What scripts/check keeps out, and that the floors of dependencies hold what they promise."""

import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def forbidden():
    return re.search(r"forbidden='(.*?)'", (ROOT / "scripts/check").read_text(), re.DOTALL)[1]


def matches(text, folder):
    (folder / "x.py").write_text(text)
    done = subprocess.run(["grep", "-nE", forbidden(), folder / "x.py"], capture_output=True, text=True)
    return done.returncode == 0


@pytest.mark.skipif(not shutil.which("grep"), reason="needs grep")
def test_the_gate_closes_on_each_and_on_nothing_else(tmp_path):
    for line in (
        "import pickle",
        "from pickle import loads",
        "import marshal",
        "pickle.load(stream)",
        "joblib.load(path)",
        "torch.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "keras.models.load_model(path)",
        "import requests",
        "import urllib.request",
        "from urllib.request import urlopen",
        "urlopen(address)",
        "import socket",
        "image.verify()",
        "x = eval(text)",
        "    exec(text)",
        "os.system(command)",
        "subprocess.run(command, shell=True)",
        "except:",
        "    except:  ",
    ):
        assert matches(line, tmp_path), line
    for line in (
        "model.eval()",
        "from urllib.parse import quote",
        "connection.execute(query)",
        "yaml.safe_load(text)",
        '"Pass numpy.load(path)."',
        "except ValueError:",
        "load(path)",
    ):
        assert not matches(line, tmp_path), line
    assert not any(matches(path.read_text(), tmp_path) for path in (ROOT / "transferkit").rglob("*.py"))


def test_floors_are_met_and_keep_out_what_is_known_to_be_unsafe():
    tomllib = pytest.importorskip("tomllib")
    requirements = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {r.name: r for r in map(requirements.Requirement, project["dependencies"])}
    for name, requirement in needed.items():
        assert requirement.specifier.contains(version(name), prereleases=True), name
        assert any(part.operator == ">=" for part in requirement.specifier), f"{name} has no floor"
    # pyproject.toml says why these two.
    for name, unsafe in (("keras", "3.14.9"), ("pillow", "12.2.9")):
        assert not needed[name].specifier.contains(unsafe), name
