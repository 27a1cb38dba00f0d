"""Views: points go where their pixels go, names stand for one geometry, a mean of squares is one row."""

import hashlib
import io

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import TINY, make_pictures
from transferkit import FeatureExtractor
from transferkit.images import Image, crop_image, read_source, resize_image
from transferkit.views import AUGMENTATIONS, MEANS, MIRROR, ORIGINAL, Crops, Square, _crops, _views, render

SIZE = 64
FRAMES = st.tuples(
    st.floats(20, 100), st.floats(20, 80), st.floats(15, 120), st.floats(-180, 180)
)  # x, y, side, angle


def spot(x, y, width=120, height=100):
    """A picture with one bright disc."""
    rows, columns = np.mgrid[:height, :width]
    glow = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 2.5**2))
    return np.repeat(glow[..., None], 3, axis=2).astype(np.uint8)


def centre_of_light(square):
    rows, columns = np.mgrid[: len(square), : len(square)] + 0.5
    light = square[..., 0].astype(float)
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum() / len(square)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("frame", [(60, 50, 60, 0), (60, 50, 60, 30), (70, 40, 100, -75), (50, 60, 200, 160)])
def test_points_go_where_their_pixels_go(frame, mirror):
    point = np.array([[[65.0, 47.0]]])
    view = Crops(np.array([frame]), mirror)
    square = view.at(0).render(Image(spot(65, 47)), SIZE, "stretch")[0]
    np.testing.assert_allclose(centre_of_light(square), view.to_square(point)[0, 0], atol=0.6 / SIZE)


@given(FRAMES, st.booleans())
def test_there_and_back(frame, mirror):
    points = np.random.default_rng(0).uniform(0, 100, (1, 68, 2))
    view = Crops(np.array([frame]), mirror)
    np.testing.assert_allclose(view.from_square(view.to_square(points)), points, atol=1e-9)


def test_a_whole_picture_in_its_own_size_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop_image(pixels, (SIZE / 2, SIZE / 2, SIZE, 0), SIZE), pixels)


def test_a_large_crop_does_not_alias():
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    square = crop_image(noise, (256, 256, 512, 20), SIZE)[20:-20, 20:-20]
    assert square.std() < 0.25 * noise.std()  # the mean of 8 x 8 pixels
    assert abs(square.mean() - noise.mean()) < 3


def test_outside_is_black():
    white = np.full((40, 40, 3), 255, np.uint8)
    square = crop_image(white, (40, 20, 40, 0), 40)
    assert square[:, :18].min() == 255
    assert square[:, 22:].max() == 0


def test_a_name_is_one_geometry():
    crops = Crops(np.array([[10.1, 20.1, 30.1, 5.1], [10.0, 20.0, 30.0, 5.0], [10.3, 20.0, 30.0, 5.0]]))
    names = [crops.at(i).name for i in range(3)]
    assert names[0] == names[1] == "crop:10,20,30,5"
    assert names[2] == "crop:10.25,20,30,5"
    assert crops.mirrored().at(0).name == "crop:10,20,30,5:mirror"
    assert crops.at(0).frame == crops.at(1).frame  # what is rendered, too
    assert Crops(np.array([[-0.01, 0, 10, -0.01]])).at(0).name == "crop:0,0,10,0"


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_mean_view_is_the_mean_of_its_views(tiny, engine, tmp_path, name):
    paths, _ = make_pictures(tmp_path, 9)
    views, mean = AUGMENTATIONS[name], MEANS[name]
    for batch_size in (1, 3, 8, 32):
        extractor = FeatureExtractor(**tiny, cache=False, batch_size=batch_size, layers="auto")
        apart = extractor.extract(paths, views=views)
        by_view = [apart.maps(view=view) for view in views]
        together = extractor.extract(paths, views=(mean,)).maps()
        for maps, found in zip(zip(*by_view, strict=True), together, strict=True):
            np.testing.assert_allclose(found, np.mean(maps, axis=0), rtol=2e-3, atol=2e-3)  # half precision


def test_views_of_the_whole_picture_differ_and_no_corner_is_empty():
    pixels = np.random.default_rng(0).integers(100, 256, (50, 70, 3), dtype=np.uint8)
    squares = MEANS["multi"].render(Image(pixels), SIZE, "stretch")
    assert squares.shape == (8, SIZE, SIZE, 3)
    assert squares.min() > 50
    assert len({square.tobytes() for square in squares}) == 8
    np.testing.assert_array_equal(squares[1::2, :, ::-1], squares[::2])


def test_strong_views_do_what_their_fields_say():
    pixels = spot(65, 47, width=SIZE * 2, height=SIZE * 2)
    at = centre_of_light(Square().render(resize_image(pixels, SIZE)))
    for square, place in (
        (Square(shift=(0.25, -0.125)), at - [0.25, -0.125]),
        (Square(flip=True), [at[0], 1 - at[1]]),
        (Square(flip=True, mirror=True), 1 - at),
        (Square(contrast=1.5), at),
    ):
        shown = square.render(resize_image(pixels, SIZE))
        np.testing.assert_allclose(centre_of_light(shown), place, atol=1 / SIZE)
    grey = np.random.default_rng(0).integers(80, 120, (SIZE, SIZE, 3), dtype=np.uint8)
    half = Square(contrast=0.5).render(grey)
    assert half.std() == pytest.approx(grey.std() / 2, rel=0.02)
    np.testing.assert_allclose(half.mean((0, 1)), grey.mean((0, 1)), atol=0.5)
    stripes = np.zeros((SIZE, SIZE, 3), np.uint8)
    stripes[:, ::2] = 255
    np.testing.assert_array_equal(Square(contrast=1.5).render(stripes), stripes)  # no brighter than white
    assert len({square.tobytes() for square in MEANS["strong"].render(Image(grey), SIZE, "stretch")}) == 8


def test_the_geometry_of_strong_views_stands_for_ever():
    """Cached features are found by these names: other numbers need other names."""
    squares = repr([(view.name, *view.squares) for view in AUGMENTATIONS["strong"]])
    assert (
        hashlib.sha256(squares.encode()).hexdigest()
        == "94dab7b23b42d166d2482903347b1b37ddb04c853a0575677a05bf20e1e55589"
    )


def test_crops_are_cached_by_image_and_frame(tiny, engine, tmp_path):
    paths, _ = make_pictures(tmp_path, 6)
    crops = Crops(np.array([[20.0 + i, 20, 25, 10 * i] for i in range(6)]))
    views = (crops, crops.mirrored())
    extractor = FeatureExtractor(**tiny)
    first = extractor.extract(paths, views=views)
    assert engine.images == 12
    again = FeatureExtractor(**tiny).extract(paths, views=views)
    assert (engine.images, again.report.n_cached) == (12, 6)
    for view in views:
        np.testing.assert_array_equal(first.maps(view=view)[0], again.maps(view=view)[0])
    # The rows asked for are those of their own images, in any order.
    np.testing.assert_array_equal(again.maps([4, 1], crops)[0], first.maps(view=crops)[0][[4, 1]])
    moved = Crops(crops.frames + np.array([1, 0, 0, 0]))
    extractor.extract(paths, views=(moved,))
    assert engine.images == 18
    square = crops.at(3).render(Image(spot(20, 20)), TINY.image_size, "stretch")
    assert square.shape == (1, TINY.image_size, TINY.image_size, 3)


def test_a_square_and_its_mirror_image_are_cut_out_once(monkeypatch):
    source = read_source(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    crop, other = Crops(np.array([[20.0, 20, 25, 10]])), Crops(np.array([[21.0, 20, 25, 10]]))
    views = [ORIGINAL, MIRROR, crop.at(0), crop.mirrored().at(0), other.mirrored().at(0)]
    alone = [render(source, [view], SIZE).squares[0] for view in views]
    drawn = []
    for module, name in ((_views, "resize_image"), (_crops, "crop_image")):
        make = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, make=make, **k: drawn.append(make) or make(*a, **k))
    together = render(source, views, SIZE).squares
    assert len(drawn) == 3
    for one, same in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(together[3], together[2][:, :, ::-1])
    assert (together[4] != together[3]).any()


@pytest.mark.parametrize("width", [90, 1500])
def test_an_image_is_decoded_once_for_each_size_that_its_squares_need(width):
    file = io.BytesIO()
    PIL.Image.fromarray(spot(width // 2, 40, width, 2 * width // 3)).save(file, "JPEG")
    frames = np.array([[40.0, 40, 60, 5], [45, 40, 62, 0], [700, 40, 1400, 0], [700, 40, 1390, 0]])
    views = [ORIGINAL, *(Crops(frame[None]).at(0) for frame in frames)]
    source, decoded = read_source(file.getvalue()), []

    def decode(target):
        decoded.append(target)
        return source.decode(target=target)

    together = render(source, views, SIZE, decode=decode).squares
    reductions = {view.target(SIZE, "stretch").reduction(width, 2 * width // 3) for view in views}
    assert len(decoded) == len(reductions) == (2 if width == 90 else 3)
    for view, square in zip(views, together, strict=True):
        np.testing.assert_array_equal(square, render(source, [view], SIZE).squares[0])


def test_crops_of_many_pictures_are_few_names_in_the_cache():
    """The cache reads all names of views at each look-up: one for each picture would cost time squared."""
    crops = Crops(np.array([[20.0 + i, 20, 25, 0] for i in range(20)]))
    keys = {crops.at(i).key("a" * 64) for i in range(20)} | {crops.mirrored().at(0).key("a" * 64)}
    assert len(keys) == 21
    assert {key.view for key in keys} == {"crop"}


@pytest.mark.parametrize("square", [view.squares[0] for view in AUGMENTATIONS["multi"]])
def test_points_of_a_square_lead_back_to_the_whole_image(square):
    """A bright spot in the square is where it was in the whole image."""
    whole = np.zeros((96, 96, 3), np.uint8)
    whole[26:31, 58:63] = 255
    seen = square.render(whole)[..., 0].astype(float)
    rows, columns = np.indices(seen.shape) + 0.5
    spot = np.array([[(columns * seen).sum(), (rows * seen).sum()]]) / seen.sum() / 96
    np.testing.assert_allclose(square.to_whole(spot) * 96, [[60.5, 28.5]], atol=0.1)
