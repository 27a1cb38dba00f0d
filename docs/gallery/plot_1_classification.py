"""
Mistakes, confusion, ROC and calibration
========================================

The plots take the result of :func:`transferkit.evaluate`.
"""

from transferkit import Classifier, evaluate, plots, set_config
from transferkit.datasets import make_faces

set_config(progress=False)
faces = make_faces(160)
train, test = slice(0, 100), slice(100, 160)

# %%
# A grid of images with their labels shows at a glance whether they belong together.
plots.plot_images(faces.images, faces.labels, n=10)

# %%
# Without mirror images, and on coarse maps, so that there are mistakes to look at.
clf = Classifier("scattering", grid=3, augment=None)
clf.fit(faces.images[train], faces.labels[train])
evaluation = evaluate(clf, faces.images[test], faces.labels[test], pos_label="glasses")
plots.plot_mistakes(evaluation, n=8)

# %%
plots.plot_confusion_matrix(evaluation)

# %%
# The gap between training and test images shows how much was memorised.
parts = {"training": evaluate(clf, faces.images[train], faces.labels[train]), "test": evaluation}
plots.plot_roc(parts)

# %%
# Of images with a probability of 0.8, are 80 % right?
plots.plot_calibration(evaluation, n_bins=5)
