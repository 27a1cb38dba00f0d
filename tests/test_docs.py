"""What README and docstrings show runs, and what they name exists."""

import doctest
import importlib
import importlib.util
import pkgutil
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import transferkit
from transferkit.cli import _main

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
    from transferkit import datasets, engines, heads, persistence
    from transferkit.backbones import registry

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
    make_pictures(tmp_path / "photos_of_this_week", 24, seed=1)
    monkeypatch.chdir(tmp_path)
    registry.add(replace(TINY, name="mobilenet"), shipped=True)
    for name, build in list(engines.ENGINES.items()):
        # Only "mobilenet" is fake; "scattering" and what a page registers need no weights.
        monkeypatch.setitem(
            engines.ENGINES,
            name,
            lambda request, build=build: (
                engine.build(request) if request.backbone.name == "mobilenet" else build(request)
            ),
        )
    tables = heads.HEADS, persistence.ESTIMATORS  # a page may enter something
    before = [dict(table) for table in tables]
    yield tmp_path
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


def python_blocks(path, fence="python"):
    """The code of a page; blocks that need weights or a network are fenced as ``py``, and compiled only."""
    return re.findall(rf"```{fence}\n(.*?)```", path.read_text(), re.S)


def test_readme_runs(workplace):
    names = {}
    exec("\n".join(python_blocks(ROOT / "README.md")), names)
    assert names["clf"].predict("new.jpg").shape == (1,)
    assert names["kp"].predict("new.jpg").shape == (1, 136)


PAGES = sorted((ROOT / "docs").glob("*.md"))
QUICK = ("index", "quickstart")


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_commands_of_a_page_are_commands(page):
    for line in "\n".join(python_blocks(page, "bash")).splitlines():
        command, *arguments = shlex.split(line.partition(">")[0], comments=True) or [""]
        if command == "transferkit":
            assert _main._parser().parse_args(arguments).run


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[] if page.stem in QUICK else pytest.mark.slow)
        for page in PAGES
        if python_blocks(page, "py(?:thon)?")
    ],
    ids=lambda page: page.stem,
)
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
    for name in re.findall(r"\{class\}`~(transferkit(?:\.\w+)?)\.(\w+)`", text):
        assert hasattr(importlib.import_module(name[0]), name[1])
    for link in re.findall(r"\]\(([\w/]+\.md)(?:#[\w-]+)?\)", text):
        assert (page.parent / link).exists(), link


def test_pages_about_the_code_name_files_that_exist():
    about_the_code = ("ten_minutes", "add_your_own", "architecture", "design")
    pages = [(ROOT / "docs" / f"{page}.md").read_text() for page in about_the_code]
    text = "".join(page.split("## What was taken from whom")[0] for page in pages)
    for name, file in re.findall(r"`(\w+(?:\.\w+)?)` in `((?:\w+/)+\w+\.py)`", text):
        assert re.search(
            rf"(?m)^ *(def |class )?{name.split('.')[-1]}\b", (ROOT / "transferkit" / file).read_text()
        ), name
    names = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text)) - {
        "transferkit/",
        "docs/",
        "tests/test_layering.py",
        "tests/test_public_api.py",
    }
    assert len(names) > 40
    for name in names:
        assert (ROOT / "transferkit" / name).exists(), name


def test_the_reliability_page_names_tests_that_exist():
    names = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text()))
    source = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    assert names
    assert {name for name in names if f"def {name}(" not in source} == set()


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
    layers = "`block4_conv3`, `block5_conv1`, `block5_conv3`, `last`"
    assert f"| `vgg16` | 224 | 32 | 14.7 | 30.7 | 512 | 71.3 | {layers} | 4 |" in lines


def test_the_page_of_formats_has_every_reader_and_writer():
    page = (ROOT / "docs" / "keypoint_formats.md").read_text()
    table = {
        name for line in page.splitlines() if line.startswith("|") for name in re.findall(r"`(\w+)`", line)
    }
    offered = {name for name in transferkit.datasets.__all__ if re.match("(read|write)_", name)}
    assert table & offered == offered - {
        "read_image_folder",
        "read_table",
        "read_column",
        "read_keypoints",
        "write_faces",
    }
    for name in re.findall(r"`((?:read|write)_\w+)`", page):
        assert name in offered


def test_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
    for script in set(re.findall(r"scripts/\w+", text)):
        assert (ROOT / script).exists(), script
