"""A module imports only from a strictly lower line, and heavy packages only where they belong."""

import ast
from pathlib import Path

import pytest

import transferkit

ROOT = Path(transferkit.__file__).parent
LINES = [
    {"errors", "_version", "scratch", "tables"},
    {"_forks", "checks"},
    {"images", "keypoints", "maps", "backbones", "cache", "storage"},
    {"engines", "heads", "shapes", "views", "metrics", "datasets"},
    {"extractor", "plots"},
    {"estimators"},
    {"evaluation"},
    {"comparison", "demo", "training", "_flags"},
    {"cli"},
    {"__init__", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LINES) for name in names}
HEAVY = {"tensorflow", "keras", "sklearn", "matplotlib", "scipy", "openvino", "pandas", "torch", "jax"}
# Where a heavy package may be imported when the module is.
ALLOWED = {
    "extractor": {"sklearn"},
    "estimators": {"sklearn"},
    "comparison": {"sklearn"},
    "backbones/_scattering_layers": {"keras"},  # loaded by the constructor only
}
MODULES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.py"))


def imports(module, *, top_level):
    """Yield the dotted names that a module imports, outside of ``if TYPE_CHECKING``."""
    tree = ast.parse((ROOT / f"{module}.py").read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import; write it out"
            if node.module == "transferkit":
                yield from (f"transferkit.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("module", MODULES)
def test_layers_point_down(module):
    home = module.split("/")[0]
    if home in ("__init__", "__main__"):
        return
    for name in imports(module, top_level=False):
        parts = name.split(".")
        if parts[0] == "transferkit" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != home:
            assert LEVEL[parts[1]] < LEVEL[home], f"{module} must not import {name}"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_imported_where_they_are_used(module):
    allowed = ALLOWED.get(module.split("/")[0], set()) | ALLOWED.get(module, set())
    found = {name.split(".")[0] for name in imports(module, top_level=True)}
    assert found & HEAVY <= allowed


def test_every_module_has_a_line():
    assert {module.split("/")[0] for module in MODULES} <= set(LEVEL)


def test_the_architecture_page_has_these_lines():
    page = (ROOT.parent / "docs" / "architecture.md").read_text().split("## Layers")[1].split("```")[1]
    rows = [row.split("   ")[0].split() for row in page.strip().splitlines()]
    assert [int(number) for number, *_ in rows] == list(range(len(LINES)))[::-1]
    assert [set(names) for _, *names in rows] == LINES[::-1]


def test_files_are_short():
    assert {m: n for m in MODULES if (n := len((ROOT / f"{m}.py").read_text().splitlines())) > 300} == {}
