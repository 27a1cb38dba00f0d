"""
Comparison of backbones
=======================

Cross-validated scores with intervals, and paired differences from the best: where the interval contains 0,
the difference may be due to chance.
"""

from transferkit import compare, plots
from transferkit.datasets import make_faces

faces = make_faces(120)

# %%
comparison = compare(["scattering", "pixels"], faces.images, faces.labels, cv=4, progress=False)
plots.plot_comparison(comparison)
