"""
Keypoints
=========

Predictions in the colours of their regions, true points in white, and the distribution of the errors.
"""

from transferkit import KeypointRegressor, evaluate, plots, set_config
from transferkit.datasets import make_faces

set_config(progress=False)
faces = make_faces(160)
train, test = slice(0, 120), slice(120, 160)

# %%
kp = KeypointRegressor("scattering", refine=0)
kp.fit(faces.images[train], faces.keypoints[train])
found = kp.predict(faces.images[test])
plots.plot_keypoints(faces.images[test], found, faces.keypoints[test], n=4)

# %%
# The closer look, on by default, finds the points again in the square around the face.
closer = KeypointRegressor("scattering").fit(faces.images[train], faces.keypoints[train])
errors = {
    "whole image": evaluate(kp, faces.images[test], faces.keypoints[test]).errors,
    "closer look": evaluate(closer, faces.images[test], faces.keypoints[test]).errors,
}
plots.plot_error_curve(errors, limit=0.3)

# %%
# The model says how far each point may be off; on images that it has not learned from, the means agree.
evaluation = evaluate(closer, faces.images[test], faces.keypoints[test], return_error=True)
plots.plot_expected_error(evaluation)
