"""Views: the square of an image that a backbone sees, and the mapping of points to and from it."""

from transferkit.views._crops import Crop, Crops, crops_of
from transferkit.views._render import Rendered, render
from transferkit.views._views import (
    AUGMENTATIONS,
    MEANS,
    MIRROR,
    ORIGINAL,
    Square,
    View,
    mirror_points,
    with_pairs,
)

AnyView = View | Crops

__all__ = [
    "AUGMENTATIONS",
    "MEANS",
    "MIRROR",
    "ORIGINAL",
    "AnyView",
    "Crop",
    "Crops",
    "Rendered",
    "Square",
    "View",
    "crops_of",
    "mirror_points",
    "render",
    "with_pairs",
]
