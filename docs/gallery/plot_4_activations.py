"""
What a network sees
===================

Activations of one layer: all its filters for one image, or one filter for many images. The scattering
transform has fixed filters; name ``"vgg16"`` and one of its layers for a trained network.
"""

from transferkit import Classifier, extract_activations, plots, set_config
from transferkit.datasets import make_faces

set_config(progress=False)
faces = make_faces(60)
maps = extract_activations("scattering", faces.images[:12], "order1", image_size=192)

# %%
plots.plot_activations(maps[0], n=24, columns=8)

# %%
plots.plot_activations(maps, filters=10, columns=6)

# %%
# What each place adds to the score of a class: exact for linear heads, and without a gradient.
clf = Classifier("scattering").fit(faces.images, faces.labels)
plots.plot_class_activation(clf.class_activation(faces.images[1], reference=faces.images))
