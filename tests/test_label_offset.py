"""Labels that all lie a little to the right, as where pixels are counted from 1: answers lie there, too."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import TINY
from transferkit import KeypointRegressor, load
from transferkit.backbones import registry
from transferkit.datasets import make_faces
from transferkit.estimators import hold_out_images
from transferkit.finetuning._subject import subject_of
from transferkit.heads import KeypointMapHead
from transferkit.keypoints import label_offset, mirror_order
from transferkit.tasks import Points

SHIFT = 1.2  # pixels, of faces on which the model errs by 2


def right_of(points, pixels):
    return points + np.array([pixels, 0.0])


@pytest.fixture(scope="module")
def faces():
    """Seventy to learn from, half of them mirror images: as many look to either side; and forty others."""
    data = make_faces(75, size=40, random_state=0)
    points = data.keypoints.reshape(75, -1, 2)
    mirrored = points[:35, mirror_order(68)] * (-1, 1) + (39, 0)
    images = [*data.images[:35], *(image[:, ::-1] for image in data.images[:35]), *data.images[35:]]
    return images, np.concatenate([points[:35], mirrored, points[35:]])


def found(generator, n=40):
    """Return points found, off by some pixels for each image and each point."""
    points = generator.uniform(0, 100, (n, 5, 2))
    return points, points + generator.normal(0, 1, (n, 1, 2)) + generator.normal(0, 0.5, (n, 5, 2))


@pytest.mark.parametrize("shift", [-1.5, 1.0, 1.8])
def test_a_shift_of_all_labels_is_found(shift):
    points, near = found(np.random.default_rng(0), 100)
    truth = right_of(points, shift)
    truth[::4, 2:4] = np.nan
    truth[3] = np.nan  # an image without any label
    near[:4] += 300  # faces that were not found
    assert label_offset(near, truth, np.arange(100)) == pytest.approx(shift, abs=0.4)


def test_what_may_be_chance_is_none():
    generator = np.random.default_rng(1)
    none = [label_offset(*found(generator), np.arange(40)) for _ in range(50)]
    assert np.count_nonzero(none) <= 2
    points, near = found(generator)
    assert (
        label_offset(near, points + np.array([0.0, 5.0]), np.arange(40)) == 0
    )  # up and down is learned like the rest
    assert label_offset(near, right_of(points, 1.5), np.arange(40)) > 1
    assert label_offset(near[:9], right_of(points[:9], 1.5), np.arange(9)) == 0  # too few
    assert label_offset(near, right_of(points, 1.5), np.arange(40) % 9) == 0  # of too few people
    assert label_offset(near, np.full_like(points, np.nan), np.arange(40)) == 0


def test_groups_must_agree():
    truth = np.zeros((20, 5, 2))
    gaps = np.where(np.arange(20) < 11, 0.5, 11 - np.arange(20.0))
    assert label_offset(truth - gaps[:, None, None] * (1.0, 0.0), truth, np.arange(20)) == 0
    one = np.where(np.arange(10) < 9, 1.0, -1.0)
    assert label_offset(truth[:10] - one[:, None, None] * (1.0, 0.0), truth[:10], np.arange(10)) == 0
    assert label_offset(truth[:10] - (1.0, 0.0), truth[:10], np.arange(10)) == 1


def test_what_is_no_way_to_count_pixels_is_left():
    """As where all faces look to one side, and are found too far in the middle."""
    points, near = found(np.random.default_rng(2), 100)
    assert label_offset(near, right_of(points, 3.0), np.arange(100)) == 0
    uneven = points + np.array([0.2, 0.6, 1.0, 1.6, 2.0])[:, None] * (1.0, 0.0)
    assert label_offset(near, uneven, np.arange(100)) == 0


def test_images_count_by_their_weight():
    points, near = found(np.random.default_rng(3), 80)
    truth, weight = points.copy(), np.ones(80)
    truth[30:] += (1.5, 0.0)
    weight[30:] = 1e-6
    assert label_offset(near, truth, np.arange(80)) > 0.3
    alone = label_offset(near[:30], truth[:30], np.arange(30))
    assert label_offset(near, truth, np.arange(80), weight) == pytest.approx(alone, abs=0.01)
    weight[30:] = 0
    assert label_offset(near, truth, np.arange(80), weight) == alone
    weight[:] = 0
    assert label_offset(near, truth, np.arange(80), weight) == 0
    each = np.random.default_rng(4).permutation(80)
    assert label_offset(near[each], truth[each], each) == label_offset(near, truth, np.arange(80))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["linear", "score_map"])
def test_answers_lie_where_labels_do(tiny, faces, head, tmp_path):
    images, points = faces
    registry.add(TINY)
    groups = np.arange(70) % 35
    plain = KeypointRegressor(**tiny, head=head).fit(images[:70], points[:70], groups=groups)
    shifted = KeypointRegressor(**tiny, head=head).fit(
        images[:70], right_of(points[:70], SHIFT), groups=groups
    )
    assert plain.label_offset_ == 0
    assert shifted.label_offset_ == pytest.approx(SHIFT, abs=0.1)
    off = (shifted.predict(images[70:]) - points[70:]).mean(axis=(0, 1))
    assert off[0] == pytest.approx(SHIFT, abs=0.3)
    assert abs(off[1]) < 0.5
    shifted.save(tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert loaded.label_offset_ == shifted.label_offset_
    np.testing.assert_array_equal(loaded.predict(images[70:]), shifted.predict(images[70:]))
    again, error = shifted.predict(images[70:], return_error=True)
    np.testing.assert_allclose(again, shifted.predict(images[70:]))
    truth = right_of(points[70:], SHIFT)
    assert error.mean() == pytest.approx(np.linalg.norm(again - truth, axis=2).mean(), rel=0.6)


def test_a_backbone_is_tuned_on_labels_without_it(tiny, faces):
    images, points = faces[0][:70], faces[1][:70]
    kp = KeypointRegressor(**tiny, head=KeypointMapHead(epochs=1), refine=1).fit(images, points)
    data = hold_out_images(kp, images, points, fraction=0.25)
    plain = subject_of(kp, data).squares
    task = replace(kp.predictor_.task, offset=SHIFT)
    kp.predictor_ = replace(kp.predictor_, task=task)
    squares = subject_of(kp, data).squares
    np.testing.assert_allclose(squares.targets, right_of(points, -SHIFT))
    np.testing.assert_allclose(squares.frames, plain.frames - (SHIFT, 0, 0, 0), atol=1e-6)


@pytest.mark.slow
def test_nothing_is_corrected_without_mirror_images(tiny, faces):
    images, points = faces
    kp = KeypointRegressor(**tiny, head="linear", augment=None).fit(images[:70], right_of(points[:70], SHIFT))
    assert kp.label_offset_ == 0  # it learns labels as they are
    off = (kp.predict(images[70:]) - points[70:]).mean(axis=(0, 1))
    assert off == pytest.approx((SHIFT, 0.0), abs=0.4)


def test_without_a_closer_look_errors_are_those_of_answers(tiny, faces):
    images, points = faces
    kp = KeypointRegressor(**tiny, head="linear", refine=0).fit(images, right_of(points, 6.0))
    assert kp.label_offset_ == 0
    near = KeypointRegressor(**tiny, head="linear", refine=0, augment=None).fit(images, right_of(points, 6.0))
    assert kp.rounds_[0].held_out_error > near.rounds_[0].held_out_error + 0.1  # a fifth of a face's size


def test_a_task_gives_and_takes_the_offset():
    task = Points(2, flat=True, offset=1.5)
    y = np.array([[3.0, 4.0, np.nan, np.nan]])
    np.testing.assert_array_equal(task.encode(y), [[[1.5, 4.0], [np.nan, np.nan]]])
    np.testing.assert_array_equal(task.decode(task.encode(y)), y)
    assert Points.from_json(task.to_json()) == task
    assert "offset" not in Points(2).to_json()  # files of other models stay as they were
    for wrong in (float("nan"), float("inf"), "1"):
        with pytest.raises((ValueError, KeyError)):
            Points.from_json({**task.to_json(), "offset": wrong})
