"""
What a network sees
===================

Activations of one layer: its filters for one picture, or one filter for many pictures. The scattering
transform has fixed filters; name ``"vgg16"`` and one of its layers for a trained network.
"""

from transferkit import extract_activations, plots
from transferkit.datasets import make_faces

faces = make_faces(12)
maps = extract_activations("scattering", faces.images, "order1", image_size=192)

# %%
plots.plot_activations(maps[0], n=24, columns=8)

# %%
plots.plot_activations(maps, filters=10, columns=6)
