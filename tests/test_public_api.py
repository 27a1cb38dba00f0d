"""What a user can import, and what importing costs."""

import inspect
import subprocess
import sys

import pytest

import transferkit

HEAVY = ("tensorflow", "keras", "sklearn", "matplotlib", "scipy", "PIL", "numpy")


def run(code):
    """Run code in a fresh process and return what it prints."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_import_is_light():
    loaded = run(f"import sys, transferkit; print([name for name in {HEAVY} if name in sys.modules])")
    assert loaded == "[]"


def test_registry_loads_no_keras():
    code = (
        "import sys, transferkit; transferkit.list_backbones(); transferkit.get_backbone('ResNet-50');"
        "print([name for name in ('tensorflow', 'keras', 'sklearn') if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_making_estimators_loads_no_tensorflow():
    code = (
        "import sys; from transferkit import Classifier, KeypointRegressor, FeatureExtractor, load\n"
        "Classifier('vgg16', head='conv'); KeypointRegressor(); FeatureExtractor()\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_names():
    assert transferkit.__all__ == sorted(transferkit.__all__)
    for name in transferkit.__all__:
        assert getattr(transferkit, name) is not None
    assert set(dir(transferkit)) == set(transferkit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Clasifier'"):
        transferkit.Clasifier  # noqa: B018


def test_unknown_submodules_are_not_made_up():
    with pytest.raises(ImportError):
        from transferkit import nonsense  # noqa: F401


@pytest.mark.parametrize("name", [name for name in transferkit.__all__ if not name.startswith("_")])
def test_public_names_are_documented(name):
    value = getattr(transferkit, name)
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        for method, function in inspect.getmembers(value, inspect.isfunction):
            own = function.__module__.startswith("transferkit")
            assert method.startswith("_") or not own or function.__doc__, f"{name}.{method}"
