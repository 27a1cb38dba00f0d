"""A JPEG is decoded smaller for a small square: nearly the same square, in exactly the same place."""

import io

import numpy as np
import PIL.Image
import pytest

from transferkit import FeatureExtractor
from transferkit.extraction._pipeline import prepare
from transferkit.images import Target, read_source, resize_image
from transferkit.views import MIRROR, ORIGINAL, Crops

SIZE = 48
WIDTH, HEIGHT = 803, 601  # no factor divides them, so the last pixels are covered in part


def scene(width=WIDTH, height=HEIGHT):
    """Large structures, fine ones, and a dot in a corner."""
    y, x = np.mgrid[:height, :width]
    waves = 100 + 40 * np.sin(x / 19) * np.cos(y / 23) + 20 * np.sin(x / 1.7)
    waves[20:60, 30:70] = 255
    return np.stack([waves, waves[::-1], np.full_like(waves, 90)], axis=-1).astype(np.uint8)


def jpeg(pixels, orientation=1, **options):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", quality=95, exif=exif, **options)
    return buffer.getvalue()


def square(image, resize="stretch"):
    return resize_image(image.pixels, SIZE, resize=resize, original=image.size, box=image.box).astype(float)


@pytest.mark.parametrize("resize", ["stretch", "pad"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_square_is_nearly_that_of_the_whole_picture(orientation, resize):
    source = read_source(jpeg(scene(), orientation))
    full, small = source.decode(), source.decode(target=Target(SIZE, resize))
    assert small.size == full.size == ((WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH))
    assert small.notes == full.notes
    factor = 8 if resize == "pad" else 4
    assert small.pixels.shape == (*(-(-side // factor) for side in full.pixels.shape[:2]), 3)
    difference = np.abs(square(small, resize) - square(full, resize))
    assert difference.mean() < 1
    # A box that is off by half of a small pixel would move the edge of the bright tile.
    assert difference.max() < 12


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_crop_of_the_smaller_picture_shows_the_same_place(orientation):
    source = read_source(jpeg(scene(), orientation))
    crop = Crops(np.array([[300.0, 290.0, 420.0, 20.0]])).at(0)
    small = source.decode(target=crop.target(SIZE, "stretch"))
    assert max(small.pixels.shape) == 201
    difference = crop.render(small, SIZE, "stretch").astype(float) - crop.render(
        source.decode(), SIZE, "stretch"
    )
    assert np.abs(difference).mean() < 1.5


@pytest.mark.parametrize(
    ("target", "size", "factor"),
    [
        (Target(224), (4000, 3000), 4),
        (Target(224), (895, 4000), 1),
        (Target(224), (896, 4000), 2),
        (Target(224, "pad"), (895, 4000), 8),
        (Target(224, side=300), (4000, 3000), 1),
        (Target(224, side=1000), (4000, 3000), 2),
        (Target(16), (9000, 9000), 8),
    ],
)
def test_twice_the_side_of_the_square_is_left(target, size, factor):
    assert target.reduction(*size) == target.reduction(*size[::-1]) == factor


def test_other_forms_are_not_reduced():
    pixels = scene()
    picture = PIL.Image.fromarray(pixels)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    for form in (buffer.getvalue(), picture, pixels):
        np.testing.assert_array_equal(read_source(form).decode(target=Target(SIZE)).pixels, pixels)
    for mode in ("L", "CMYK"):
        whole = io.BytesIO()
        picture.convert(mode).save(whole, "JPEG", quality=95)
        source = read_source(whole.getvalue())
        small = source.decode(target=Target(SIZE))
        assert small.pixels.shape == (151, 201, 3)
        assert np.abs(square(small) - square(source.decode())).mean() < 1


def test_the_size_of_the_original_is_kept_and_views_do_not_depend_on_each_other(tiny):
    data = jpeg(scene())
    crops = Crops(np.array([[200.0, 200.0, 150.0, 0.0]]))
    extractor = FeatureExtractor(**tiny, cache=False)
    both = extractor.extract([data], views=(ORIGINAL, MIRROR, crops))
    assert both.sizes().tolist() == [[WIDTH, HEIGHT]]
    job = extractor.settings().job
    rows = {view: prepare(job((view,)), data + b"\xff\xd9", 0).squares[0][1] for view in (ORIGINAL, crops)}
    mixed = prepare(job((crops, ORIGINAL)), data + b"\xff\xd9", 0).squares
    np.testing.assert_array_equal(mixed[0][1], rows[crops])
    np.testing.assert_array_equal(mixed[1][1], rows[ORIGINAL])
