"""Sphinx settings: works offline; the table of backbones, the plots and the API pages are generated."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# Silence TensorFlow's start-up messages, and keep the gallery out of the user's cache.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TRANSFERKIT_CACHE", tempfile.mkdtemp(prefix="transferkit-docs-"))
sys.path.insert(0, str(HERE))

from _generate import write_backbone_table  # noqa: E402

from transferkit import __version__  # noqa: E402

project = "transferkit"
author = "the transferkit authors"
project_copyright = "Apache-2.0"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_parser", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "generated", "gallery"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say more than the annotations
numpydoc_show_class_members = False
# Every parameter and result is documented. (Order and types are not checked: the important ones come first,
# and "as for Classifier" may document several.)
numpydoc_validation_checks = {"GL03", "GL08", "GL09", "PR01", "PR02", "RT01", "YD01"}
# Exceptions have one sentence; results and records document attributes, protocols refer to TrainingData.
numpydoc_validation_exclude = {
    r"\.__",
    r"\.config_context$",
    r"\.errors\.",
    r"\.(evaluation|comparison)\.[A-Z]",
    r"\.(LayerTrial|Round)$",
    r"\.heads\.(Head|FittedHead|TrainingData|Validation)\b",
    r"\.metrics\.(Figure|percentile_figure)\b",
}
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"sklearn\..*")]  # its pages are not fetched

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),  # plots only
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib",),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
}

html_theme = "furo"
html_title = "transferkit"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"

write_backbone_table(HERE / "generated" / "backbones.md")
