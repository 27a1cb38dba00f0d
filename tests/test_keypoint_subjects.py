"""Keypoints of named points, of subjects in boxes, with points missing, and in films."""

import io
import struct
import warnings
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageSequence
from sklearn.dummy import DummyRegressor

from tests.conftest import TINY
from transferkit import FeatureExtractor, KeypointRegressor, compare, evaluate, load
from transferkit.backbones import registry
from transferkit.datasets import VideoFrames, video_frames
from transferkit.errors import BadImageError, InvalidInputError, MissingDependencyError
from transferkit.estimators._subjects import in_batches
from transferkit.estimators.refinement._refinement import shape_errors
from transferkit.evaluation import KeypointEvaluation
from transferkit.heads import LinearHead, ScoreMapHead
from transferkit.keypoints import smooth_keypoints

NAN = np.nan


def blob(pixels, x, y, size, channel):
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    pixels[..., channel] += 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (0.12 * size) ** 2))


@pytest.fixture
def pairs():
    """Pictures with a red blob left of a green one, and a point far below: (n, 3, 2)."""
    generator = np.random.default_rng(0)
    images, points = [], []
    for _ in range(60):
        pixels = np.full((64, 80, 3), 30.0)
        x, y = generator.uniform(20, 40), generator.uniform(15, 45)
        blob(pixels, x, y, 64, 0)
        blob(pixels, x + 20, y, 64, 1)
        images.append(pixels.clip(0, 255).astype(np.uint8))
        points.append([[x, y], [x + 20, y], [x + 10, y + 15]])
    return images, np.array(points)


def distance(found, truth):
    return np.nanmean(np.linalg.norm(found - truth, axis=-1))


# --------------------------------------------------------------------------- missing points


@pytest.mark.parametrize("refine", [0, 1])
def test_missing_points_are_learned_around(tiny, pairs, refine):
    images, points = pairs
    holes = points.copy()
    holes[::3, 1] = NAN
    holes[1::5, 2] = NAN
    holes[4] = NAN  # an image without any point
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kp = KeypointRegressor(**tiny, refine=refine).fit(images, holes)
        found = kp.predict(images)
        assert kp.score(images, holes) > 0.8
        evaluation = evaluate(kp, images, holes)
    assert np.isfinite(found).all()
    assert distance(found, points) < 3
    whole = distance(KeypointRegressor(**tiny, refine=refine).fit(images, points).predict(images), points)
    assert distance(found, points) < 2 * whole + 0.5
    assert evaluation.figures["nme"].value < 0.3
    assert np.isnan(evaluation.errors[4])


@pytest.mark.slow
@pytest.mark.parametrize("head", ["mlp", "conv", "keypoint_map"])
def test_networks_learn_around_missing_points(tiny, pairs, head):
    images, points = pairs
    holes = points.copy()
    holes[::3, 1] = NAN
    holes[4] = NAN
    whole, some = (
        KeypointRegressor(**tiny, head=head).fit(images, targets).predict(images)
        for targets in (points, holes)
    )
    assert np.isfinite(some).all()
    assert distance(some, points) < 1.3 * distance(whole, points) + 0.5


def test_images_whose_points_have_no_size_are_left_out_of_figures():
    truth = np.array([[[1.0, 1], [9, 9]], [[1, 1], [NAN, NAN]]])
    evaluation = KeypointEvaluation(truth, truth + 1)
    assert np.isnan(evaluation.errors).tolist() == [False, True]
    truth[1, 1] = truth[1, 0]
    with pytest.raises(InvalidInputError, match="image 1 have zero 'box_size'"):
        KeypointEvaluation(truth, truth + 1)


# --------------------------------------------------------------------------- mirror pairs


@pytest.mark.slow
def test_named_pairs_are_mirrored(tiny, pairs, tmp_path):
    registry.add(TINY)
    images, points = pairs
    kp = KeypointRegressor(**tiny, mirror_pairs=((0, 1),), refine=1).fit(images, points)
    assert [view.name for view in kp.views_] == ["original", "mirror"]
    found = kp.predict(images)
    assert distance(found, points) < 3
    # Of the mirror image, left is right.
    mirrored = kp.predict([image[:, ::-1].copy() for image in images])[:, [1, 0, 2]]
    mirrored[..., 0] = 79 - mirrored[..., 0]
    np.testing.assert_allclose(mirrored, found, atol=0.3)
    kp.save(tmp_path / "kp.model")
    loaded = load(tmp_path / "kp.model")
    np.testing.assert_allclose(loaded.predict(images[:5]), found[:5], atol=1e-6)
    assert loaded.get_params()["mirror_pairs"] is not None
    assert len(kp.refinements_) == len(loaded.refinements_)


def test_pairs_that_are_none_change_nothing(tiny, pairs, tmp_path):
    images, points = pairs
    kp = KeypointRegressor(**tiny, mirror_pairs=(), refine=0).fit(images, points)
    assert [view.name for view in kp.views_] == ["original"]
    for wrong in ([(0, 3)], [(0, 0)], [(0, 1), (1, 2)], [(0,)], 5, "01"):
        with pytest.raises(
            InvalidInputError, match=r"mirror_pairs must be pairs of different points in 0..2"
        ):
            KeypointRegressor(**tiny, mirror_pairs=wrong).fit(images, points)


# --------------------------------------------------------------------------- boxes


@pytest.fixture
def crowd(tmp_path):
    """Pictures of two subjects each, of any size: a path for each subject, its points and its box."""
    generator = np.random.default_rng(1)
    paths, points, boxes = [], [], []
    for number in range(40):
        pixels = np.full((120, 240, 3), 30.0)
        path = tmp_path / f"{number:02}.png"
        for half in range(2):
            size = generator.uniform(30, 60)
            left, top = 120 * half + generator.uniform(5, 50), generator.uniform(5, 50)
            x, y = left + size * generator.uniform(0.2, 0.5), top + size * generator.uniform(0.3, 0.7)
            blob(pixels, x, y, size, 0)
            blob(pixels, x + 0.3 * size, y, size, 1)
            paths.append(path)
            points.append([[x, y], [x + 0.3 * size, y], [x + 0.15 * size, y + 0.2 * size]])
            boxes.append([left, top, left + size, top + size])
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return paths, np.array(points), np.array(boxes)


@pytest.mark.parametrize("refine", [0, 1])
def test_subjects_are_found_in_their_boxes(tiny, crowd, refine):
    paths, points, boxes = crowd
    kp = KeypointRegressor(**tiny, refine=refine).fit(paths[:60], points[:60], boxes=boxes[:60])
    found = kp.predict(paths[60:], boxes=boxes[60:])
    assert distance(found, points[60:]) < 4
    # Two subjects of one image are told apart.
    assert np.linalg.norm(found[0] - found[1], axis=-1).min() > 20
    assert kp.score(paths[60:], points[60:], boxes=boxes[60:]) > 0.9
    assert KeypointEvaluation(points[60:], found).figures["nme"].value < 0.5
    with pytest.raises(InvalidInputError, match="sample_weight must have one number for each image"):
        kp.score(paths[60:], points[60:], np.ones(3), boxes=boxes[60:])
    alone = kp.predict(paths[60], boxes=boxes[60:61])
    np.testing.assert_allclose(alone, found[:1], atol=0.01)


@pytest.mark.slow
def test_boxes_leave_rows_aligned_and_are_saved(tiny, crowd, tmp_path):
    registry.add(TINY)
    paths, points, boxes = crowd
    (tmp_path / "broken.png").write_bytes(b"no picture")
    mixed = [tmp_path / "broken.png", *paths]
    targets, places = np.concatenate([points[:1], points]), np.concatenate([boxes[:1], boxes])
    weight = np.ones(len(mixed))
    weight[3] = 0
    kp = KeypointRegressor(**tiny, augment="mirror", mirror_pairs=[(0, 1)], refine=0)
    kp.fit(mixed, targets, boxes=places, sample_weight=weight)
    assert distance(kp.predict(paths, boxes=boxes), points) < 4
    kp.save(tmp_path / "kp.model")
    loaded = load(tmp_path / "kp.model")
    np.testing.assert_allclose(loaded.predict(paths, boxes=boxes), kp.predict(paths, boxes=boxes), atol=1e-6)
    with pytest.raises(InvalidInputError, match="boxes must be passed: this model was fitted with boxes"):
        loaded.predict(paths)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda boxes: boxes[:5], r"boxes must have shape \(80, 4\).*Got \(5, 4\)"),
        (lambda boxes: np.where(np.arange(80)[:, None] == 7, NAN, boxes), "Row 7 is .*1 row"),
        (
            lambda boxes: np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]),
            "left, top, width, height",
        ),
        (lambda boxes: "here", "boxes must be numbers"),
    ],
)
def test_boxes_that_cannot_be_used(tiny, crowd, change, words):
    paths, points, boxes = crowd
    with pytest.raises(InvalidInputError, match=words):
        KeypointRegressor(**tiny).fit(paths, points, boxes=change(boxes))


def test_boxes_need_a_model_that_was_fitted_with_some(tiny, crowd):
    paths, points, boxes = crowd
    for own, words in (
        ((paths, points), r"validation_data must be \(X, y, sample_weight, boxes\)"),
        ((paths, points, None, boxes[:5]), r"validation_data: boxes must have shape \(80, 4\)"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            KeypointRegressor(**tiny).fit(paths, points, boxes=boxes, validation_data=own)
    with pytest.raises(InvalidInputError, match="validation_data has boxes, and fit has none"):
        KeypointRegressor(**tiny).fit(paths, points, validation_data=(paths, points, None, boxes))
    kp = KeypointRegressor(**tiny, refine=0).fit(paths, points)
    with pytest.raises(InvalidInputError, match="fitted on whole images"):
        kp.predict(paths, boxes=boxes)


def test_features_have_no_boxes():
    rows = np.random.default_rng(0).normal(size=(20, 5))
    kp = KeypointRegressor("precomputed", head="linear").fit(rows, rows[:, :4])
    boxes = np.tile([0.0, 0.0, 9.0, 9.0], (20, 1))
    for call in (kp.fit, kp.score):
        with pytest.raises(InvalidInputError, match="^boxes cannot be used with backbone='precomputed'"):
            call(rows, rows[:, :4], boxes=boxes)
    with pytest.raises(InvalidInputError, match="(?s)groups.*boxes cannot be used"):  # all that is wrong
        kp.fit(rows, rows[:, :4], groups=[0], boxes=boxes)
    for backbone in ("precomputed", "mobilenet"):  # parameters for the next fit do not change this one
        kp.set_params(backbone=backbone)
        for call in (kp.predict, kp.extract, kp.novelty):
            with pytest.raises(InvalidInputError, match="^boxes cannot be used with backbone='precomputed'"):
                call(rows, boxes=boxes)


def test_boxes_are_those_of_the_fitted_model_whatever_the_parameters_are_now(tiny, crowd):
    paths, points, boxes = crowd
    kp = KeypointRegressor(**tiny, refine=0).fit(paths[:20], points[:20], boxes=boxes[:20])
    found = kp.predict(paths[:2], boxes=boxes[:2])
    kp.set_params(backbone="precomputed")
    np.testing.assert_array_equal(kp.predict(paths[:2], boxes=boxes[:2]), found)


@pytest.fixture
def crowd_model(tiny, crowd):
    paths, points, boxes = crowd
    return KeypointRegressor(**tiny, refine=0).fit(paths[:60], points[:60], boxes=boxes[:60])


def test_figures_of_subjects_are_those_of_their_predictions(crowd_model, crowd):
    paths, points, boxes = (part[60:] for part in crowd)
    evaluation = evaluate(crowd_model, paths, points, boxes=boxes, groups=[str(path) for path in paths])
    np.testing.assert_array_equal(evaluation.predicted, crowd_model.predict(paths, boxes=boxes))
    assert crowd_model.boxed_
    with pytest.raises(InvalidInputError, match="boxes must be passed: this model was fitted with boxes"):
        evaluate(crowd_model, paths, points)
    with pytest.raises(InvalidInputError, match=r"boxes must have shape \(20, 4\)"):
        evaluate(crowd_model, paths, points, boxes=boxes[1:])
    with pytest.raises(
        InvalidInputError, match="boxes can be passed for a KeypointRegressor on images. Got a Dummy"
    ):
        evaluate(DummyRegressor().fit(points[:, 0], points[:, 0]), points[:, 0], points[:, 0], boxes=boxes)


def test_a_subject_whose_image_cannot_be_read_is_in_no_figure(crowd_model, crowd, tmp_path, caplog):
    paths, points, boxes = (part[60:] for part in crowd)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    mixed = [paths[0], tmp_path / "broken.png", *paths[1:]]
    truth, places = np.insert(points, 1, points[5], axis=0), np.insert(boxes, 1, boxes[5], axis=0)
    evaluation = evaluate(crowd_model, mixed, truth, boxes=places)
    np.testing.assert_array_equal(evaluation.errors, evaluate(crowd_model, paths, points, boxes=boxes).errors)
    assert [failure.index for failure in evaluation.skipped] == [1]
    assert "evaluate leaves out 1 of 21 images" in caplog.text
    caplog.clear()
    expected = crowd_model.score(paths, points, boxes=boxes)
    assert crowd_model.score(mixed, truth, boxes=places) == pytest.approx(expected, rel=1e-9)
    assert "score leaves out 1 of 21 images" in caplog.text
    crowd_model.set_params(extractor__on_error="raise")
    for figure in (evaluate, KeypointRegressor.score):
        with pytest.raises(BadImageError, match="broken"):
            figure(crowd_model, mixed, truth, boxes=places)


def test_validation_data_have_boxes_of_their_own(tiny, crowd, monkeypatch):
    paths, points, boxes = crowd
    seen = []
    monkeypatch.setattr(
        ScoreMapHead, "fit", lambda self, data: seen.append(data.validation) or LinearHead().fit(data)
    )
    own = (paths[60:], points[60:], None, boxes[60:])
    kp = KeypointRegressor(**tiny, head="score_map", refine=0)
    kp.fit(paths[:60], points[:60], boxes=boxes[:60], validation_data=own)
    sides = 1.4 * (boxes[60:, 2:] - boxes[60:, :2])
    inside = (points[60:] + 0.5 - (boxes[60:, None, :2] + boxes[60:, None, 2:]) / 2) / sides[:, None] + 0.5
    np.testing.assert_allclose(seen[0].targets, inside.reshape(20, -1), atol=0.02)  # quarters of pixels
    expected = kp.extract(paths[60:], boxes=boxes[60:]).maps()
    np.testing.assert_array_equal(seen[0].maps[0], expected[0])


@pytest.mark.slow
def test_a_network_is_judged_on_boxes_of_validation_data(tiny, crowd):
    paths, points, boxes = crowd
    kp = KeypointRegressor(**tiny, head="keypoint_map", refine=1)
    own = (paths[60:], points[60:], None, boxes[60:])
    kp.fit(paths[:60], points[:60], boxes=boxes[:60], validation_data=own)
    errors, _ = shape_errors(kp.predict(paths[60:], boxes=boxes[60:]), points[60:])
    assert kp.rounds_[len(kp.refinements_)].held_out_error == pytest.approx(errors.mean(), rel=1e-3)


def test_candidates_are_compared_on_boxes(tiny, crowd):
    paths, points, boxes = crowd
    candidates = {name: KeypointRegressor(**tiny, refine=0, augment=None) for name in ("one", "two")}
    groups = np.array([str(path) for path in paths])
    found = compare(
        candidates, paths, points, boxes=boxes, groups=groups, cv=2, normalizer=1.0, progress=False
    )
    assert found.n_copies == 0
    assert found.rows[0].evaluation.figures["nme"].value < 8
    np.testing.assert_array_equal(*(row.evaluation.predicted for row in found.rows))
    with pytest.raises(InvalidInputError, match="boxes are for KeypointRegressors on images, which 'flat'"):
        compare({"flat": DummyRegressor()}, paths, points, boxes=boxes)
    with pytest.raises(InvalidInputError, match=r"boxes must have shape \(80, 4\)"):
        compare(candidates, paths, points, boxes=boxes[1:])


# --------------------------------------------------------------------------- films


def film(path, images, codec="mpeg4", options=None, left_out=(), container=None):
    av = pytest.importorskip("av")
    if codec not in av.codecs_available:
        pytest.skip(f"FFmpeg without {codec}")
    with av.open(str(path), "w", options=container or {}) as container:
        stream = container.add_stream(codec, rate=10, options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            if number not in left_out:
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_an_open_file_is_one_image(tiny, pairs, tmp_path):
    images, points = pairs
    kp = KeypointRegressor(**tiny, refine=0).fit(images, points)
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as file:
        np.testing.assert_array_equal(kp.predict(file), kp.predict(images[0]))


def test_iterators_are_predicted_in_batches(tiny, pairs):
    images, points = pairs
    kp = KeypointRegressor(**tiny, refine=0).fit(images, points)

    def stream():
        return (images[number % 60] for number in range(150))

    lengths = []
    in_batches(lambda batch: np.zeros((lengths.append(len(batch)) or 1, 6)), stream(), None)
    assert lengths == [64, 64, 22]
    found = kp.predict(stream())
    np.testing.assert_allclose(found[:60], kp.predict(images), atol=1e-6)
    np.testing.assert_allclose(found[120:], found[:30], atol=1e-6)
    with pytest.raises(InvalidInputError, match="at its end"):
        kp.predict(iter([]))
    with pytest.raises(InvalidInputError, match="not an iterator"):
        kp.predict(iter(images), boxes=np.ones((60, 4)))


def test_an_iterator_may_use_its_array_again(tiny, pairs):
    images, points = pairs
    kp = KeypointRegressor(**tiny, refine=0).fit(images, points)
    expected = kp.predict(images)

    def camera():
        frame = np.empty_like(images[0])
        for image in images:
            frame[...] = image
            yield frame
            frame[...] = 0

    np.testing.assert_allclose(kp.predict(camera()), expected, atol=1e-6)
    np.testing.assert_allclose(kp.predict(frame[...] for frame in camera()), expected, atol=1e-6)


def test_an_iterator_may_show_the_frames_of_one_picture(tiny, pairs):
    images, points = pairs
    kp = KeypointRegressor(**tiny, refine=0).fit(images, points)
    file = io.BytesIO()
    first, *others = (Image.fromarray(image) for image in images)
    first.save(file, "TIFF", save_all=True, append_images=others)
    found = kp.predict(ImageSequence.Iterator(Image.open(file)))
    np.testing.assert_allclose(found, kp.predict(images), atol=1e-6)


def test_frames_of_a_film(tiny, pairs, tmp_path):
    images, points = pairs
    path = film(tmp_path / "x.mp4", images)
    frames = video_frames(path, every=7)
    kp = KeypointRegressor(**tiny, refine=0).fit(images, points)
    found = kp.predict(frames)
    assert frames.numbers == list(range(0, 60, 7))
    np.testing.assert_allclose(frames.times, np.arange(0, 6, 0.7), atol=1e-6)
    assert distance(found, points[::7]) < 4
    first = next(video_frames(path))
    assert (first.shape, first.dtype) == ((64, 80, 3), np.uint8)
    assert np.abs(first.astype(int) - images[0]).mean() < 12


@pytest.mark.parametrize(
    ("codec", "options"),
    [("mpeg4", {}), ("mpeg4", {"bf": "2"}), ("libx264", {"bf": "0"}), ("libx264", {"bf": "3"})],
)
@pytest.mark.parametrize("suffix", ["avi", "mp4"])
def test_times_of_a_film_are_those_of_its_frames(tmp_path, suffix, codec, options):
    """AVI with frames that are stored in another order has no times of its own for them."""
    images = [np.full((64, 80, 3), 20 * number, np.uint8) for number in range(12)]
    frames = video_frames(film(tmp_path / f"x.{suffix}", images, codec, options), every=2)
    shades = [round(frame.mean() / 20) for frame in frames]
    assert shades == frames.numbers == list(range(0, 12, 2))
    np.testing.assert_allclose(frames.times, np.arange(0, 1.2, 0.2), atol=1e-6)


def test_times_of_a_film_leave_gaps(tmp_path):
    images = [np.full((64, 80, 3), 20 * number, np.uint8) for number in range(12)]
    frames = video_frames(film(tmp_path / "x.avi", images, left_out=(3, 4)))
    assert len(list(frames)) == 10
    np.testing.assert_allclose(frames.times[:5], [0, 0.1, 0.2, 0.5, 0.6], atol=1e-6)


def test_times_that_go_back_are_not_known():
    frames = [
        SimpleNamespace(time=time, to_ndarray=lambda format: np.zeros((2, 2, 3))) for time in (0, 2, 1, 3)
    ]
    packet = SimpleNamespace(size=1, dts=0, time_base=1, decode=lambda: frames)

    class Container:
        format = SimpleNamespace(name="mpegts")
        demux = staticmethod(lambda video: [packet])
        decode = staticmethod(lambda video: iter(frames))
        __enter__ = __exit__ = lambda *_: None

    film = VideoFrames("x.ts", Container(), 1)
    assert len(list(film)) == 4
    np.testing.assert_array_equal(film.times, [0, 2, np.nan, 3])


def test_films_are_turned_as_they_are_shown():
    from transferkit.datasets._video import _upright

    class Frame:
        rotation = -90  # as telephones held upright write it: a quarter turn clockwise is to be made

        def to_ndarray(self, format):
            return np.arange(6, dtype=np.uint8).reshape(1, 2, 3)

    assert _upright(Frame()).tolist() == [[[0, 1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((1, 0, 0, 1), (0, 0)),
        ((0, 1, -1, 0), (0, -1)),
        ((-1, 0, 0, -1), (-1, -1)),
        ((0, -1, 1, 0), (-1, 0)),
        ((-1, 0, 0, 1), (0, -1)),  # as front cameras mirror
        ((1, 0, 0, -1), (-1, 0)),
        ((0, 1, 1, 0), (0, 0)),
        ((0, -1, -1, 0), (-1, -1)),
    ],
)
def test_films_are_mirrored_as_they_are_shown(tmp_path, matrix, corner):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:16, :16] = 255
    content = bytearray(film(tmp_path / "x.mp4", [image]).read_bytes())
    start = content.index(b"tkhd") + 8 + 20 + 16  # version 0 of the box
    a, b, c, d = (value << 16 for value in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "x.mp4").write_bytes(content)
    shown = next(video_frames(tmp_path / "x.mp4"))
    assert shown.shape[:2] == ((64, 48) if matrix[0] == 0 else (48, 64))
    rows = slice(0, 12) if corner[0] == 0 else slice(-12, None)
    columns = slice(0, 12) if corner[1] == 0 else slice(-12, None)
    assert shown[rows, columns].mean() > 180
    assert shown.mean() < 60


def test_films_that_cannot_be_read(tmp_path, pairs):
    path = film(tmp_path / "x.mp4", pairs[0][:5])
    with pytest.raises(InvalidInputError, match="every must be a positive integer"):
        video_frames(path, every=0)
    with pytest.raises(InvalidInputError, match="there is no file"):
        video_frames(tmp_path / "gone.mp4")
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(InvalidInputError, match="not a film that FFmpeg can read"):
        video_frames(tmp_path / "text.mp4")


@pytest.mark.parametrize(
    ("suffix", "codec"), [("avi", "mpeg4"), ("mkv", "mpeg4"), ("mkv", "libx264"), ("mp4", "libx264")]
)
def test_films_that_were_not_copied_to_their_end(tmp_path, caplog, suffix, codec):
    generator = np.random.default_rng(0)
    images = list(generator.integers(0, 255, (60, 64, 80, 3), dtype=np.uint8))
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    whole = film(tmp_path / f"x.{suffix}", images, codec, container=options)
    assert len(list(video_frames(whole))) == 60
    assert not caplog.text
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 0 < len(list(video_frames(cut))) < 40
    assert f"{cut} says that it lasts 6.0 s, but its frames end after " in caplog.text
    cut.write_bytes(whole.read_bytes()[:1500])
    with pytest.raises(InvalidInputError, match="no frame that can be decoded|not a film|beyond frame -1"):
        list(video_frames(cut))


def timed_film(path, images, times, last, sound=0):
    """Write a film whose pictures start at these times; the last, and the sound, have a duration."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 10)
        noise = container.add_stream("wmav2", rate=44_100) if sound else None
        if sound:
            noise.bit_rate = 64_000
        packets = []
        for time, image in zip(times, images, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(10 * time), Fraction(1, 10)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet, length in zip(packets, [*np.diff(times), last], strict=True):
            packet.duration = round(length / packet.time_base)
            container.mux(packet)
        for second in range(sound):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 44_100), np.float32), format="fltp")
            frame.pts, frame.sample_rate = 44_100 * second, 44_100
            container.mux(noise.encode(frame))
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_films_that_are_whole_are_not_doubted(tmp_path, pairs, caplog, suffix):
    """The last picture of a recorded screen stays; the film may begin after its sound."""
    images = pairs[0][:5]
    for name, times, last in (("still", [0, 0.1, 0.2, 0.3, 0.4], 30), ("late", [8, 8.1, 8.2, 8.3, 8.4], 0.1)):
        path = timed_film(tmp_path / f"{name}.{suffix}", images, times, last)
        assert len(list(video_frames(path))) == 5
        assert not caplog.text


def test_a_film_with_longer_sound_is_whole(tmp_path, pairs, caplog):
    """The files of Windows Media state one time for the film and its sound."""
    path = timed_film(tmp_path / "x.wmv", pairs[0][:5], [0, 0.1, 0.2, 0.3, 0.4], 0.1, sound=20)
    assert len(list(video_frames(path))) == 5
    assert not caplog.text


def test_films_need_a_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    (tmp_path / "x.mp4").touch()
    with pytest.raises(MissingDependencyError, match=r"transferkit\[video\]"):
        video_frames(tmp_path / "x.mp4")


def test_smoothing_takes_out_single_frames():
    track = np.column_stack([np.arange(20.0), np.full(20, 5.0)])
    wrong = track.copy()
    wrong[7] = 90
    wrong[12] = NAN
    smooth = smooth_keypoints(wrong)
    assert np.abs(smooth - track)[2:-2].max() <= 1
    np.testing.assert_array_equal(smooth_keypoints(wrong, window=1), wrong)
    assert smooth_keypoints(wrong.reshape(20, 1, 2)).shape == (20, 1, 2)
    assert np.isnan(smooth_keypoints(np.full((4, 2), NAN), window=3)).all()
    for window in (0, 2, 1.5, "5"):
        with pytest.raises(InvalidInputError, match="window must be an odd number"):
            smooth_keypoints(track, window=window)


def test_pictures_of_an_iterator_have_their_channels_chosen_once(tiny, pairs, tmp_path):
    images, points = pairs
    extractor = FeatureExtractor(channels=(2, 1, 0), cache=False)
    kp = KeypointRegressor(**tiny, refine=0, extractor=extractor).fit(images, points)
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(image).save(path)
    expected = kp.predict(paths)
    np.testing.assert_allclose(kp.predict(Image.open(path) for path in paths), expected, atol=1e-6)
    first, *others = (Image.open(path) for path in paths)
    first.save(tmp_path / "all.tif", save_all=True, append_images=others)
    with Image.open(tmp_path / "all.tif") as picture:
        np.testing.assert_allclose(kp.predict(ImageSequence.Iterator(picture)), expected, atol=1e-6)
