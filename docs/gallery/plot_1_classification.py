"""
Mistakes, confusion, ROC and calibration
========================================

What :func:`transferkit.evaluate` returns goes into the plots as it is.
"""

from transferkit import Classifier, evaluate, plots
from transferkit.datasets import make_faces

faces = make_faces(160)
train, test = slice(0, 100), slice(100, 160)

# %%
# A grid of images with their labels shows at a glance whether they are paired.
plots.plot_images(faces.images, faces.labels, n=10)

# %%
# Without mirror images, and on few averages, so that there are mistakes to look at.
clf = Classifier("scattering", grid=3, augment=None, progress=False)
clf.fit(faces.images[train], faces.labels[train])
evaluation = evaluate(clf, faces.images[test], faces.labels[test], pos_label="glasses")
plots.plot_mistakes(evaluation, n=8)

# %%
plots.plot_confusion_matrix(evaluation)

# %%
# Training pictures beside others: the gap is what was learned by heart.
parts = {"training": evaluate(clf, faces.images[train], faces.labels[train]), "test": evaluation}
plots.plot_roc(parts)

# %%
# Of pictures with a probability of 0.8, are 80 % right?
plots.plot_calibration(evaluation, n_bins=5)
