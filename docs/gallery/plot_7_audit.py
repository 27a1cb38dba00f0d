"""
Audit
=====

What is wrong with images before a model learns from them: here, three faces are there twice, one of them with
another label.
"""

from transferkit import audit, set_config
from transferkit.datasets import make_faces

set_config(progress=False)
faces = make_faces(60)
darker, mirrored, moved = faces.images[3] // 10 * 9, faces.images[5][:, ::-1], faces.images[8][4:, 3:]
images = [*faces.images, darker, mirrored, moved]
labels = [*faces.labels, faces.labels[3], faces.labels[5], "somebody else"]
report = audit(images, labels, backbone="scattering", image_size=96)
print(report)

# %%
# The pairs, the least sure first.
report.plot_duplicates(columns=2)

# %%
# The image whose label is doubted most.
report.plot_label_issues(n=4)
