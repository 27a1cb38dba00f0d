"""
Nearest images
==============

The images of a collection that are most like a query. The scattering transform sees edges and textures; name
``"mobilenet"`` for a network that knows objects.
"""

from transferkit import NearestImages, plots, set_config
from transferkit.datasets import make_faces

set_config(progress=False)
faces = make_faces(120)
nearest = NearestImages("scattering", image_size=96).fit(faces.images)
plots.plot_neighbours(nearest.query(k=4), images=faces.images, n=4)

# %%
# Three of them again, a little darker: their nearest image is the original.
darker = [(0.95 * image).astype("uint8") for image in faces.images[:3]]
plots.plot_neighbours(nearest.query(darker, k=3), images=faces.images)
