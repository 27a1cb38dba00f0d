"""
Training of a network
=====================

A network from nothing, on pixels: it learns its training pictures by heart.
"""

from transferkit import Classifier, plots
from transferkit.datasets import make_faces
from transferkit.heads import ConvHead

faces = make_faces(160)
network = ConvHead(
    filters=(16, 32, 32), padding="same", hidden=32, dropout=0, scaling="none", epochs=20, patience=None
)

# %%
scratch = Classifier("pixels", head=network, augment=None, validation_fraction=0.25, progress=False)
scratch.fit(faces.images, faces.labels)
plots.plot_history(scratch)

# %%
# A linear head records the penalties that it tried instead.
linear = Classifier("scattering", head="linear", progress=False).fit(faces.images, faces.labels)
plots.plot_history(linear)
