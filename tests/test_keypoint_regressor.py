"""KeypointRegressor: pixels of each original image in, the same out."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score

from transferkit import FeatureExtractor, KeypointRegressor
from transferkit.errors import InvalidInputError, NotFittedError
from transferkit.keypoints import MIRROR_PAIRS
from transferkit.views import MIRROR, ORIGINAL


@pytest.fixture
def dots(tmp_path):
    """Pictures of assorted sizes with one bright blob each, and its centre and a point beside it."""
    generator = np.random.default_rng(0)
    paths, keypoints = [], []
    for i in range(80):
        width, height = generator.integers(60, 120, 2)
        x, y = generator.uniform(0.25, 0.75, 2) * (width, height)
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        blob = np.exp(-(((columns - x) / width) ** 2 + ((rows - y) / height) ** 2) / (2 * 0.12**2))
        pixels = np.stack([40 + 200 * blob] * 3, axis=-1).astype(np.uint8)
        path = tmp_path / f"{i:03}.png"
        Image.fromarray(pixels).save(path)
        paths.append(path)
        keypoints.append([x, y, x + 0.1 * width, y - 0.1 * height])
    return paths, np.array(keypoints)


def errors(found, truth):
    return np.linalg.norm((found - truth).reshape(len(truth), -1, 2), axis=-1)


def test_pixels_of_the_original(tiny, dots):
    paths, keypoints = dots
    kp = KeypointRegressor(**tiny).fit(paths[:60], keypoints[:60])
    found = kp.predict(paths[60:])
    assert found.shape == (20, 4)
    assert errors(found, keypoints[60:]).mean() < 4
    spread = errors(np.broadcast_to(keypoints[:60].mean(axis=0), found.shape), keypoints[60:]).mean()
    assert errors(found, keypoints[60:]).mean() < 0.25 * spread
    assert kp.predict(paths[0]).shape == (1, 4)
    assert kp.score(paths[60:], keypoints[60:]) > 0.9
    assert kp.n_points_ == 2


def test_predictions_scale_with_the_picture(tiny, dots, tmp_path):
    paths, keypoints = dots
    kp = KeypointRegressor(**tiny).fit(paths, keypoints)
    with Image.open(paths[0]) as image:
        double = image.resize((2 * image.width, 2 * image.height), Image.Resampling.NEAREST)
    small, large = kp.predict(paths[0]), kp.predict(double)
    np.testing.assert_allclose(large, 2 * small + 0.5, atol=0.5)  # the centre of pixel x lies at 2 x + 0.5


@pytest.mark.parametrize("resize", ["stretch", "pad"])
def test_layout_is_kept(tiny, dots, resize):
    paths, keypoints = dots
    flat = (
        KeypointRegressor(**tiny, extractor=FeatureExtractor(resize=resize))
        .fit(paths, keypoints)
        .predict(paths)
    )
    paired = (
        KeypointRegressor(**tiny, extractor=FeatureExtractor(resize=resize))
        .fit(paths, keypoints.reshape(-1, 2, 2))
        .predict(paths)
    )
    assert paired.shape == (80, 2, 2)
    np.testing.assert_array_equal(paired.reshape(80, 4), flat)
    assert errors(flat, keypoints).mean() < 6


def test_missing_points_are_left_out(tiny, dots):
    paths, keypoints = dots
    holes = keypoints.copy()
    holes[::3, 2:] = np.nan
    kp = KeypointRegressor(**tiny).fit(paths, holes)
    assert errors(kp.predict(paths), keypoints).mean() < 5
    assert kp.score(paths, holes) > 0.9


def test_bad_files_leave_rows_aligned(tiny, dots, tmp_path):
    paths, keypoints = dots
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    mixed = KeypointRegressor(**tiny).fit([bad, *paths], np.vstack([[1, 2, 3, 4], keypoints]))
    clean = KeypointRegressor(**tiny).fit(paths, keypoints)
    np.testing.assert_array_equal(mixed.predict(paths), clean.predict(paths))
    assert mixed.report_.counts() == {"empty": 1}


def test_faces_use_mirrored_views(tiny, engine):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (20, 40, 40, 3), dtype=np.uint8)
    keypoints = generator.uniform(5, 35, (20, 136))
    kp = KeypointRegressor(**tiny, refine=0).fit(images, keypoints)
    assert kp.views_ == (ORIGINAL, MIRROR)
    assert engine.images == 40
    mirrored = kp.predict(images[:, :, ::-1]).reshape(20, 68, 2)
    expected = kp.predict(images).reshape(20, 68, 2)
    left, right = MIRROR_PAIRS[0]
    np.testing.assert_allclose(39 - mirrored[:, right, 0], expected[:, left, 0], atol=1e-3)
    assert KeypointRegressor(**tiny, augment=None).fit(images, keypoints).views_ == (ORIGINAL,)


def test_the_plan_is_what_fit_looks_at(tiny, engine):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (20, 40, 40, 3), dtype=np.uint8)
    keypoints = generator.uniform(5, 35, (20, 136))
    kp = KeypointRegressor(**tiny, refine=0)
    extractor, views = kp.plan_extraction(keypoints)
    extractor.extract(images, views=views)
    assert engine.images == 40
    assert kp.fit(images, keypoints).views_ == views
    assert engine.images == 40
    assert KeypointRegressor("precomputed").plan_extraction(keypoints) is None


def test_other_points_have_no_mirror(tiny, dots):
    paths, keypoints = dots
    assert KeypointRegressor(**tiny).fit(paths, keypoints).views_ == (ORIGINAL,)
    with pytest.raises(InvalidInputError, match="Got 2 points and mirror_pairs=None. Pass the pairs, or"):
        KeypointRegressor(**tiny, augment="mirror").fit(paths, keypoints)


def test_views_move_points_and_back():
    generator = np.random.default_rng(0)
    points = generator.uniform(0, 50, (5, 68, 2))
    sizes = generator.integers(40, 90, (5, 2))
    for view in (ORIGINAL, MIRROR):
        for resize in ("stretch", "pad"):
            square = view.to_square(points, sizes, 32, resize)
            np.testing.assert_allclose(view.from_square(square, sizes, 32, resize), points)
    # The centre of the first pixel of an image as wide as the square lies half a pixel in.
    corner = ORIGINAL.to_square(np.zeros((1, 1, 2)), np.array([[32, 32]]), 32, "stretch")
    np.testing.assert_allclose(corner, 0.5 / 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda k: k[:, :3], "y"),
        (lambda k: k[:-1], "y has 79 rows but X has 80 images. Each image needs one set of keypoints."),
        (
            lambda k: k / 200,
            "80 of 80 rows, the first of them 0, have no value above 1 and look like fractions",
        ),
        (lambda k: np.vstack([k[:5], k[5:6] / 200, k[6:]]), "1 of 80 rows, the first of them 5"),
        (
            lambda k: k * 10,
            r"in pixels of each original image. Row 0 has x0 = \d+.*but its image is \d+ x \d+",
        ),
        (lambda k: np.where(np.arange(4) == 1, np.inf, k), "inf"),
    ],
)
def test_keypoints_that_cannot_be_used(tiny, dots, change, message):
    paths, keypoints = dots
    with pytest.raises(InvalidInputError, match=message):
        KeypointRegressor(**tiny).fit(paths, change(keypoints))


def test_predict_before_fit(tiny, dots):
    with pytest.raises(NotFittedError, match="This KeypointRegressor is not fitted yet"):
        KeypointRegressor(**tiny).predict(dots[0])


def test_validation_rows_change_nothing(tiny, dots):
    paths, keypoints = dots
    plain = KeypointRegressor(**tiny).fit(paths[:60], keypoints[:60])
    checked = KeypointRegressor(**tiny).fit(
        paths[:60], keypoints[:60], validation_data=(paths[60:], keypoints[60:])
    )
    for name, array in plain.fitted_head_.tensors().items():
        np.testing.assert_array_equal(array, checked.fitted_head_.tensors()[name])
    with pytest.raises(InvalidInputError, match="y of validation_data has 1 points but y has 2"):
        KeypointRegressor(**tiny).fit(paths, keypoints, validation_data=(paths, keypoints[:, :2]))


def test_points_that_were_never_marked_are_refused(tiny, dots):
    paths, keypoints = dots
    holes = keypoints.copy()
    holes[:, 2] = np.nan
    with pytest.raises(InvalidInputError, match="Of 2 points, 1 are missing in all 80 images: 1"):
        KeypointRegressor(**tiny).fit(paths, holes)


def test_score_takes_both_layouts_and_missing_points(tiny, dots):
    paths, keypoints = dots
    kp = KeypointRegressor(**tiny).fit(paths[:60], keypoints[:60])
    expected = kp.score(paths[60:], keypoints[60:])
    assert kp.score(paths[60:], keypoints[60:].reshape(-1, 2, 2)) == pytest.approx(expected)
    assert expected == pytest.approx(r2_score(keypoints[60:], kp.predict(paths[60:])))
    holes = keypoints[60:].copy()
    holes[:, 2:] = np.nan
    assert 0.9 < kp.score(paths[60:], holes) <= 1
    paired = KeypointRegressor(**tiny)
    assert (cross_val_score(paired, paths, keypoints.reshape(-1, 2, 2), cv=2) > 0.8).all()
