"""``augment="auto"``: mirrored views, unless they hide what is learned."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY, make_pictures
from transferkit import Classifier, ImageRegressor, load
from transferkit.errors import InvalidInputError
from transferkit.estimators import _mirroring
from transferkit.heads import LinearHead
from transferkit.views import ORIGINAL


@dataclass(frozen=True)
class Separate(LinearHead):
    """Takes the views of an image apart, as networks do."""

    averages_views: ClassVar[bool] = False


@pytest.fixture
def symmetric(pictures):
    """Return pictures that differ in what is not a matter of sides: how bright they are."""
    paths, labels = pictures
    arrays = []
    for i, (path, label) in enumerate(zip(paths, labels, strict=True)):
        with Image.open(path) as image:
            pixels = np.asarray(image) // (2 if label == "left" else 1)
        arrays.append(pixels if i % 4 < 2 else pixels[:, ::-1].copy())
    return arrays, labels


@pytest.mark.parametrize("head", ["auto", "linear", Separate()], ids=["auto", "linear", "separate"])
def test_the_mirror_is_dropped_where_it_hides_the_classes(
    tiny, engine, pictures, tmp_path, monkeypatch, head
):
    monkeypatch.setattr(_mirroring, "_SAMPLE", 40)
    clf = Classifier(**tiny, head=head).fit(*pictures)
    assert clf.views_ == (ORIGINAL,)
    # Views apart are there already; otherwise forty pictures are looked at again, then the other twenty.
    assert engine.images == 120 + (0 if isinstance(head, Separate) else 40 + 20)
    assert clf.report_.n_decoded == 60  # of the images, not of the second look
    assert clf.report_.n_backbone_calls == engine.calls  # of both
    assert clf.score(*make_pictures(tmp_path / "new", 40, seed=1)) > 0.9
    if head == "auto":
        clf.save(tmp_path / "model.safetensors")
        assert load(tmp_path / "model.safetensors", backbone=TINY).views_ == (ORIGINAL,)


def test_bad_validation_data_are_refused_at_once(tiny, engine, pictures, monkeypatch, tmp_path):
    monkeypatch.setattr(_mirroring, "_SAMPLE", 40)
    (tmp_path / "no classes").mkdir()
    with pytest.raises(InvalidInputError, match="validation_data"):
        Classifier(**tiny).fit(*pictures, validation_data=(str(tmp_path / "no classes"), None))
    assert engine.images == 120


@pytest.mark.parametrize("head", ["linear", Separate()], ids=["linear", "separate"])
def test_the_mirror_stays_where_it_hides_nothing(tiny, symmetric, head):
    names = [view.name for view in Classifier(**tiny, head=head).fit(*symmetric).views_]
    assert names == (["mean:mirror"] if head == "linear" else ["original", "mirror"])


def test_the_mirror_stays_where_nothing_can_be_learned(tiny, symmetric):
    arrays, labels = symmetric
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(labels)
        assert Classifier(**tiny, head="linear").fit(arrays, shuffled).views_ != (ORIGINAL,)


def test_numbers_and_several_labels_too(tiny, pictures):
    paths, labels = pictures
    side = (labels == "left").astype(float)
    assert ImageRegressor(**tiny, head="linear").fit(paths, side).views_ == (ORIGINAL,)
    both = np.column_stack([side, np.arange(60) % 3 == 0]).astype(int)
    assert Classifier(**tiny, head="linear").fit(paths, both).views_ == (ORIGINAL,)


def test_images_of_weight_zero_do_not_decide(tiny, pictures, symmetric):
    """The pictures that are a matter of sides have no weight."""
    paths, labels = pictures
    arrays, _ = symmetric
    together, twice = [*arrays, *paths], np.concatenate([labels, labels])
    weight = np.repeat([1.0, 0.0], 60)
    clf = Classifier(**tiny, head="linear").fit(together, twice, sample_weight=weight)
    assert clf.views_ != (ORIGINAL,)


def test_too_few_images_to_tell(tiny, pictures):
    paths, labels = pictures
    assert Classifier(**tiny, head="linear").fit(paths[:8], labels[:8]).views_ != (ORIGINAL,)
    copies = [path for path in paths[:8] for _ in range(10)]
    assert Classifier(**tiny, head="linear").fit(copies, np.repeat(labels[:8], 10)).views_ != (ORIGINAL,)


def test_only_auto_checks(tiny, engine, pictures):
    assert Classifier(**tiny, head="linear", augment="mirror").fit(*pictures).views_ != (ORIGINAL,)
    assert engine.images == 120
