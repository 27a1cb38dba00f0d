"""
Training of a network
=====================

A network trained from scratch on pixels memorises its training images.
"""

from transferkit import Classifier, plots, set_config
from transferkit.datasets import make_faces
from transferkit.heads import ConvHead

set_config(progress=False)
faces = make_faces(160)
network = ConvHead(
    filters=(16, 32, 32),
    padding="same",
    hidden=32,
    dropout=0,
    scaling="none",
    epochs=20,
    patience=None,
    validation_fraction=0.25,
)

# %%
scratch = Classifier("pixels", head=network, augment=None).fit(faces.images, faces.labels)
plots.plot_history(scratch)

# %%
# A linear head records the penalties that it tried instead.
linear = Classifier("scattering", head="linear").fit(faces.images, faces.labels)
plots.plot_history(linear)
