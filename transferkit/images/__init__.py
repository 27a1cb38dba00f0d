"""Read images of any form into pixels, the same way for ``fit`` and ``predict``.

::

    path, bytes, file      read once  |
    address                read anew  |
    Pillow image           as it is   |->  Source   ->  Image    ->  resize_image
    array, tensor          as it is   |    .digest      .pixels      a square
                                                        .notes

:func:`gather_images` lists the images, and their labels, of folders, tables and datasets of other libraries.

``Image.pixels`` is always uint8 RGB of shape (height, width, 3), upright, with transparency composited on
white. Unambiguous input is converted, with a note. Ambiguous input raises an error that names the parameter
to pass. Damaged input raises :class:`~transferkit.errors.BadImageError` with one of the categories in
:data:`CATEGORIES`.

For a small square, a large JPEG file is decoded at reduced size, which is several times faster
(:class:`Target`); the square then differs from that of the full image by half a grey level of 255 on average.
All other input gives the same pixels in every form.

Embedded colour profiles are not applied: arrays carry no profile, and the same image must give the same
pixels in every form. All values are taken as sRGB.
"""

from transferkit.images._again import as_collection, readable_again, refuse_one_image
from transferkit.images._collections import is_pattern, is_single_image
from transferkit.images._crop import crop_image
from transferkit.images._facts import FileFacts, file_facts
from transferkit.images._failures import is_lasting
from transferkit.images._files import local_path
from transferkit.images._folders import (
    IMAGE_SUFFIXES,
    image_files,
    image_suffixes,
    is_side_file,
    log_ignored,
)
from transferkit.images._gather import as_image_list, gather_images
from transferkit.images._image import CATEGORIES, LIMITS, Image, Limits
from transferkit.images._ranges import check_value_range
from transferkit.images._reader import Reader
from transferkit.images._reading import load_image, read_source
from transferkit.images._resize import letterbox, resize_image
from transferkit.images._selection import EVERYTHING, Selection, check_selection
from transferkit.images._sources import Source
from transferkit.images._stacks import FAMILIES, ArrayRanges, array_ranges, check_agreement
from transferkit.images._tables import NumberedRow, find_folder, is_missing, raise_problems, read_rows
from transferkit.images._target import Target

__all__ = [
    "CATEGORIES",
    "DECODER",
    "EVERYTHING",
    "FAMILIES",
    "IMAGE_SUFFIXES",
    "LIMITS",
    "TRUNCATED",
    "ArrayRanges",
    "FileFacts",
    "Image",
    "Limits",
    "NumberedRow",
    "Reader",
    "Selection",
    "Source",
    "Target",
    "array_ranges",
    "as_collection",
    "as_image_list",
    "check_agreement",
    "check_selection",
    "check_value_range",
    "crop_image",
    "decoder",
    "file_facts",
    "find_folder",
    "gather_images",
    "image_files",
    "image_suffixes",
    "is_lasting",
    "is_missing",
    "is_pattern",
    "is_side_file",
    "is_single_image",
    "letterbox",
    "load_image",
    "local_path",
    "log_ignored",
    "raise_problems",
    "read_rows",
    "read_source",
    "readable_again",
    "refuse_one_image",
    "resize_image",
]

# Part of the key of every feature space. Increase it if the same input may give other pixels or squares:
# orientation, compositing, scaling of 16 bits or floats, fill or filter of resize_image or crop_image.
# Do not increase it for a new format, error or note. Increase RECIPE_FORMAT of the cache with it.
DECODER: str = "4"
TRUNCATED = ", truncated images allowed"


def decoder() -> str:
    """Describe the decoder: its version, and whether Pillow is set to accept truncated images."""
    from PIL import ImageFile

    return DECODER + (TRUNCATED if ImageFile.LOAD_TRUNCATED_IMAGES else "")
