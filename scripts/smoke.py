"""What transferkit must do as installed, without extras; scripts/smoke_wheel runs it in new environments."""

import importlib
import pkgutil
import platform
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

import transferkit
from transferkit import Classifier, NearestImages, config_context, load
from transferkit.datasets import make_faces, read_image_folder, write_faces

installed = Path(transferkit.__file__).is_relative_to(sysconfig.get_path("purelib"))
assert installed, f"{transferkit.__file__} is not what was installed"
modules = [module.name for module in pkgutil.walk_packages(transferkit.__path__, "transferkit.")]
for name in modules:
    importlib.import_module(name)

with tempfile.TemporaryDirectory() as temporary, config_context(isolate=True):
    write_faces(make_faces(60, size=32), Path(temporary, "faces"))
    paths, labels = read_image_folder(Path(temporary, "faces"))
    classifier = Classifier("scattering", image_size=32).fit(paths, labels)
    accuracy = classifier.score(paths, labels)
    assert accuracy > 0.9, accuracy
    model = Path(temporary, "model.safetensors")
    classifier.save(model)
    answers = classifier.predict_proba(paths)
    np.testing.assert_array_equal(load(model).predict_proba(paths), answers)
    nearest = NearestImages("scattering", image_size=32).fit(paths)
    np.testing.assert_array_equal(nearest.query(paths[:3], k=1).indices[:, 0], range(3))
    for arguments in (["--help"], ["--version"], ["predict", str(model), str(paths[0])]):
        subprocess.run(["transferkit", *arguments], check=True, stdout=subprocess.DEVNULL)

print(f"Python {platform.python_version()}: transferkit {transferkit.__version__}, {len(modules)} modules")
