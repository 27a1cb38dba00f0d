"""Every example runs, small, offline."""

import runpy
from pathlib import Path

import pytest

from transferkit import datasets

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, capsys, monkeypatch):
    make = datasets.make_faces
    monkeypatch.setattr(datasets, "make_faces", lambda n: make(60, size=64))
    monkeypatch.setattr("sys.argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    out = capsys.readouterr().out
    assert "decoded" in out
    assert "%" in out
    assert len(path.read_text().splitlines()) < 60
