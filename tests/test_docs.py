"""What README and docstrings show runs, and what they name exists."""

import doctest
import importlib
import importlib.util
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


@pytest.fixture
def workplace(tmp_path, monkeypatch, engine):
    """A folder with what the pages name, and the fake backbone under the names that they use."""
    pytest.importorskip("matplotlib").use("Agg")
    from tests.conftest import TINY, make_pictures
    from transferkit import datasets, engines
    from transferkit.backbones import _registry

    paths, labels = make_pictures(tmp_path / "flat", 40)
    for path, label in zip(paths, labels, strict=True):
        folder = tmp_path / "photos" / {"left": "cat", "right": "dog"}[label]
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    (tmp_path / "new.jpg").write_bytes((tmp_path / "photos" / "cat" / "0000.png").read_bytes())
    datasets.write_faces(datasets.make_faces(30, size=32), tmp_path / "faces").rename(
        tmp_path / "faces" / "faces.csv"
    )
    for item in (tmp_path / "faces").iterdir():
        item.rename(tmp_path / item.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(_registry._ROWS, "mobilenet", TINY)
    monkeypatch.setitem(_registry._ROWS, "tiny", TINY)  # as its saved models name it
    monkeypatch.setitem(_registry._ALIASES, "tiny", "tiny")
    for name in ("keras", "openvino"):
        monkeypatch.setitem(engines.ENGINES, name, engine.build)
    return tmp_path


def python_blocks(path, fence="python"):
    """The code of a page; blocks that need weights or a network are fenced as ``py``, and compiled only."""
    return re.findall(rf"```{fence}\n(.*?)```", path.read_text(), re.S)


def test_readme_runs(workplace):
    """The first example."""
    names = {}
    exec(python_blocks(ROOT / "README.md")[0], names)
    assert names["clf"].predict("new.jpg").shape == (1,)


PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, workplace, monkeypatch):
    """All blocks of a page, one after another."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    code = "\n".join(python_blocks(page))
    for block in python_blocks(page, "py"):
        compile(block, str(page), "exec")
    try:
        exec(compile(code, str(page), "exec"), {})
    finally:
        pyplot.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_name_what_exists(page):
    text = page.read_text()
    for example in re.findall(r"`(?:examples/)?(r\d\d_\w+\.py)`", text):
        assert (ROOT / "examples" / example).exists(), example
    for name in re.findall(r"`plots\.(\w+)", text):
        assert name in transferkit.plots.__all__
    for name in re.findall(r"\{class\}`~(transferkit\.\w+)\.(\w+)`", text):
        assert hasattr(importlib.import_module(name[0]), name[1])


def test_messages_of_the_troubleshooting_page_are_those_of_the_code():
    """Each heading with a message has its longest part in the source, so that a search finds the page."""
    source = "".join(path.read_text() for path in (ROOT / "transferkit").rglob("*.py"))
    source = re.sub(r"\"\s*\n\s*f?\"", "", source)  # strings over several lines are one
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    messages = page.partition("## By message")[2].partition("\n## ")[0]
    headings = re.findall(r"^### (.+)$", messages, re.M)
    assert len(headings) >= 9
    for heading in headings:
        parts = re.split(r"\.\.\.|'|/|\d+|: ", heading)
        assert max(parts, key=len).strip(" .") in source, heading


def test_the_table_of_backbones_has_every_row():
    namespace = importlib.util.spec_from_file_location("_generate", ROOT / "docs" / "_generate.py")
    module = importlib.util.module_from_spec(namespace)
    namespace.loader.exec_module(module)
    lines = module.backbone_table().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == transferkit.list_backbones()
    assert "| `vgg16` | 224 | 32 | `block4_conv3`, `block5_conv1`, `block5_conv3`, `last` | 4 |" in lines


def test_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
    for script in set(re.findall(r"scripts/\w+", text)):
        assert (ROOT / script).exists(), script
