"""Imports point down: between rooms, between files, and also inside functions; heavy packages load late."""

import ast
import functools
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

import transferkit

ROOT = Path(transferkit.__file__).parent
LINES = [
    {"errors", "_version"},
    {"foundation", "images"},
    {"cache", "backbones", "keypoints", "tasks"},
    {"identity", "engines", "heads", "views", "metrics", "datasets"},
    {"decisions", "extraction", "plots"},
    {"cards", "distributed", "explanation", "persistence"},
    {"estimators"},
    {"evaluation", "exports", "finetuning", "neighbours"},
    {"auditing", "comparison", "monitoring"},
    {"reporting"},
    {"cli"},
    {"__init__", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LINES) for name in names}
# Rooms on one line that still have an order of their own.
BELOW = {("foundation", "images"), ("keypoints", "tasks")}
HEAVY = {
    *("tensorflow", "keras", "keras_hub", "kagglehub", "openvino", "onnx", "onnxruntime", "torch", "jax"),
    *("sklearn", "matplotlib", "scipy", "pandas", "faiss", "fsspec", "pydicom", "pillow_heif", "tifffile"),
    *("h5py", "av", "sleap_io", "yaml", "tf2onnx", "ray", "pyarrow", "ai_edge_litert"),
}
# Where a heavy package may be imported when the module is.
ALLOWED = {
    "extraction/_extractor": {"sklearn"},
    "estimators": {"sklearn"},
    "comparison": {"sklearn"},
    "finetuning": {"sklearn"},
    "neighbours": {"sklearn"},
    "backbones/scattering/_layers": {"keras"},  # loaded by the constructor only
}
# What runs networks, and who may import it, also inside functions.
RUNNERS = {
    "backbones": {"keras", "tensorflow", "keras_hub", "kagglehub", "onnx", "onnxruntime"},
    "exports": {"openvino", "keras", "tensorflow"},
    "engines": {"keras", "tensorflow", "openvino", "onnxruntime", "torch", "jax"},
    "finetuning": {"keras"},
    "heads": {"keras"},
}
# Modules that other rooms may import beside a room's `__init__`.
SURFACES = {"foundation", "heads.cascade", "heads.linear", "heads.keypoint_map", "heads.score_map"}
MODULES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.py"))


def dotted(module):
    """Return the name of a module below transferkit, that of a package for its ``__init__``."""
    return module.removesuffix("/__init__").replace("/", ".")


NAMES = {dotted(module): module for module in MODULES}


def surface(module):
    """Return the names in the ``__all__`` of a package."""
    for node in ast.parse((ROOT / f"{module}.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


FRONTS = {dotted(module): surface(module) for module in MODULES if module.endswith("/__init__")}


@functools.cache
def imports(module, *, top_level):
    """Return the dotted names that a module imports, outside of ``if TYPE_CHECKING``."""
    found = []
    tree = ast.parse((ROOT / f"{module}.py").read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    if top_level:  # functions run later, all other blocks at once
        later = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        bodies = [block for block in ast.walk(tree) if isinstance(block, later)]
        skipped |= {id(node) for block in bodies for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import; write it out"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def own(module):
    """Yield the modules of transferkit that a module imports, wherever in it."""
    for name in imports(module, top_level=False):
        parts = name.split(".")
        if parts[0] != "transferkit" or len(parts) == 1:
            continue
        # A public name taken from the top level comes from its home.
        parts = (
            [*transferkit._HOMES[parts[1]].split("."), ""] if parts[1] in transferkit._HOMES else parts[1:]
        )
        if len(parts) > 1 and parts[-1] in FRONTS.get(".".join(parts[:-1]), ()):
            parts.pop()  # an object that has the name of its file
        while parts and ".".join(parts) not in NAMES:
            parts.pop()
        yield ".".join(parts)


def room(name):
    return name.split(".")[0]


def test_layers_point_down():
    wrong = []
    for module in MODULES:
        home = room(dotted(module))
        for name in own(module):
            other = room(name)
            if home in ("__init__", "__main__") or other == home:
                continue
            if LEVEL.get(other, len(LINES)) >= LEVEL[home] and (other, home) not in BELOW:
                wrong.append(f"{module} must not import {name or 'transferkit'}")
    assert wrong == []


def test_other_rooms_are_entered_by_their_front_door():
    wrong = []
    for module in MODULES:
        for name in own(module):
            door = name in SURFACES or room(name) in SURFACES or "." not in name
            if not door and room(name) != room(dotted(module)):
                wrong.append(f"{module} must import from transferkit.{room(name)}, not {name}")
    assert wrong == []


def test_no_circles_of_files():
    graph = {dotted(module): set(own(module)) - {dotted(module)} for module in MODULES}
    # A package is what its files make of it; that a file sits in a package is no import.
    order = TopologicalSorter({name: found - {room(name)} for name, found in graph.items()})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_files_of_a_room_do_not_import_its_front():
    wrong = [
        (module, name)
        for module in MODULES
        for name in own(module)
        if dotted(module) != name and dotted(module).startswith(f"{name}.") and name in NAMES
    ]
    assert wrong == []


def packages(module, *, top_level):
    return {name.split(".")[0] for name in imports(module, top_level=top_level)}


def test_heavy_packages_are_imported_where_they_are_used():
    wrong = {}
    for module in MODULES:
        allowed = ALLOWED.get(module.split("/")[0], set()) | ALLOWED.get(module, set())
        if found := (packages(module, top_level=True) & HEAVY) - allowed:
            wrong[module] = found
    assert wrong == {}


def test_networks_are_run_in_few_places():
    runners, wrong = {"tensorflow", "keras", "keras_hub", "kagglehub", "openvino", "torch", "jax"}, {}
    for module in MODULES:
        found = packages(module, top_level=False) & runners
        if found := found - RUNNERS.get(module.split("/")[0], set()):
            wrong[module] = found
    assert wrong == {}


def test_every_module_has_a_line():
    assert {module.split("/")[0] for module in MODULES} <= set(LEVEL)


def test_the_architecture_page_has_these_lines():
    page = (ROOT.parent / "docs" / "architecture.md").read_text().split("## Layers")[1].split("```")[1]
    rows = [row.split("   ")[0].split() for row in page.strip().splitlines()]
    assert [int(number) for number, *_ in rows] == list(range(len(LINES)))[::-1]
    assert [set(names) for _, *names in rows] == LINES[::-1]


def test_files_are_short():
    """One that tells one story may be long; most are short."""
    assert median(len((ROOT / f"{module}.py").read_text().splitlines()) for module in MODULES) <= 130
