"""What README and docstrings show runs, and what they name exists."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import transferkit

ROOT = Path(transferkit.__file__).parent.parent
MODULES = [
    info.name
    for info in pkgutil.walk_packages(transferkit.__path__, "transferkit.")
    if not info.name.endswith(("__main__", "_scattering_layers"))
]


@pytest.mark.parametrize("name", ["transferkit", *MODULES])
def test_docstring_examples(name):
    result = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert result.failed == 0


def test_readme_python_compiles():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) >= 3
    for block in blocks:
        compile(block, "README.md", "exec")


def test_readme_runs(tmp_path, monkeypatch, engine, tiny):
    """The first example, on a folder made here and the fake backbone under the name it uses."""
    from tests.conftest import TINY, make_pictures
    from transferkit.backbones import _registry

    paths, labels = make_pictures(tmp_path / "flat", 40)
    for path, label in zip(paths, labels, strict=True):
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "photos" / label / path.name)
    (tmp_path / "new.jpg").write_bytes((tmp_path / "photos" / "left" / "0000.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(_registry._ROWS, "mobilenet", TINY)
    from transferkit import engines

    for name in ("keras", "openvino"):
        monkeypatch.setitem(engines.ENGINES, name, engine.build)
    block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[0]
    names = {}
    exec(block, names)
    assert names["clf"].predict("new.jpg").shape == (1,)


def test_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
    for script in set(re.findall(r"scripts/\w+", text)):
        assert (ROOT / script).exists(), script
