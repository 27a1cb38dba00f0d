"""The one way from anything to pixels, for ``fit`` and for ``predict``.

::

    path, bytes, file      read once  |
    Pillow image           as it is   |->  Source   ->  Image    ->  resize_image
    array, tensor          as it is   |    .digest      .pixels      a square
                                                        .notes

Whatever comes in, ``Image.pixels`` is uint8 RGB of shape (height, width, 3), upright, with transparency
composited on white. What has one reading is converted and noted; what has two is refused with the name
of the parameter that settles it; what is damaged raises :class:`~transferkit.errors.BadImageError` with
one of the categories in :data:`CATEGORIES`.

A large JPEG file is decoded smaller where a small square is all that is wanted, several times faster
(:class:`Target`): on photographs its square differs from that of an array of the same picture by half of
one of 255 grey levels in the mean. Of all other files, every form gives the same pixels.

Embedded colour profiles are not applied: numbers are taken as sRGB, because an array carries no profile
and the same picture must give the same pixels in every form.
"""

from transferkit.images._collections import as_image_list, is_single_image
from transferkit.images._crop import crop_image
from transferkit.images._folders import IMAGE_SUFFIXES, is_side_file
from transferkit.images._image import CATEGORIES, LIMITS, Image, Limits
from transferkit.images._ranges import check_value_range
from transferkit.images._reading import load_image, read_source
from transferkit.images._resize import letterbox, resize_image
from transferkit.images._sources import Source
from transferkit.images._target import Target

__all__ = [
    "CATEGORIES",
    "DECODER",
    "IMAGE_SUFFIXES",
    "LIMITS",
    "Image",
    "Limits",
    "Source",
    "Target",
    "as_image_list",
    "check_value_range",
    "crop_image",
    "is_side_file",
    "is_single_image",
    "letterbox",
    "load_image",
    "read_source",
    "resize_image",
]

# Part of every feature space. Bump it whenever the same input may give other pixels or another square:
# a change of orientation, of compositing, of how 16 bits or floats are scaled, of the fill or the filter
# of resize_image or crop_image. Do not bump it for a new format, a new error or a new note.
DECODER: str = "2"
