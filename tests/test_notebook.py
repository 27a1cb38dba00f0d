"""The notebook runs from start to end in a kernel of its own, and is kept without outputs."""

import json
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parent.parent / "examples" / "quickstart.ipynb"


def test_the_notebook_is_kept_without_outputs():
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_promises(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    # This interpreter, whatever kernel a machine calls "python3".
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = tmp_path / "kernels" / "this"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "this", "language": "python"})
    )
    for variable in ("JUPYTER_PATH", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.delenv(
        "MPLBACKEND", raising=False
    )  # the kernel takes the inline one, unless it is told otherwise
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.execute(notebook, cwd=str(tmp_path), kernel_name="this", timeout=120)

    kinds = [
        {kind for out in cell.get("outputs", []) for kind in out.get("data", {})} for cell in notebook.cells
    ]
    assert sum("image/png" in found for found in kinds) == 3
    assert sum("text/html" in found for found in kinds) >= 3  # the estimator and two evaluations
    text = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert "60 images: 60 from the cache" in text
    assert "Traceback" not in text
