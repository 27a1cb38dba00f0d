"""What labels, points, groups and weights mean: refused before anything is computed, or learned and saved."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions

import numpy as np
import pytest

from tests.conftest import TINY
from transferkit import Classifier, KeypointRegressor, load
from transferkit.backbones import registry
from transferkit.errors import InvalidInputError
from transferkit.keypoints import as_points

X = np.random.default_rng(0).integers(0, 256, (24, 40, 40, 3)).astype(np.uint8)
POINTS = np.random.default_rng(1).uniform(5, 35, (24, 6))


def two(a, b):
    return [a, b] * 12


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


REFUSED = {
    "masked": np.ma.masked_array(two(0, 1), mask=[1] + [0] * 23),
    "ragged": two([1], [1, 2]), "dict": two({"a": 1}, {"a": 2}), "mapping": {i: i % 2 for i in range(24)},
    "set": two({1}, {2}), "a set": set(range(24)), "beyond": two(2**63 + 1, 1), "far": two(2**64, 2**65),
    "nul": two("a\0", "a"), "a nul": two("a\0", "b"), "infinite": two(np.inf, 1.0), "complex": two(1j, 2j),
    "dates": two(datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)),
    "datetime64": np.array(two("2020-01-01", "2021-01-01"), dtype="datetime64[D]"),
    "timedelta64": np.array(two(1, 2), dtype="timedelta64[D]"), "bytes": two(b"a", b"b"),
    "decimal": two(decimal.Decimal(1), decimal.Decimal(2)), "enum": two(Side.LEFT, Side.RIGHT),
    "fraction": two(fractions.Fraction(1, 2), fractions.Fraction(1)), "types": two(int, str),
    "structured": np.array(two((1,), (2,)), dtype=[("a", int)]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_labels_that_mean_nothing_are_refused_before_anything_is_computed(tiny, engine, name):
    with pytest.raises(InvalidInputError, match=r"^y must|^y has masked"):
        Classifier(**tiny).fit(X, REFUSED[name])
    assert engine.images == 0


ACCEPTED = {
    "str": two("a", "b"), "np.str_": two(np.str_("a"), np.str_("b")),
    "object": np.array(two("a", "b"), object),
    "bool": two(True, False), "int": two(-1, 1), "uint64": two(2**63 + 1, 2**63 + 2),
    "int8": np.int8(two(3, 4)),
    "float": two(1.0, 2.0), "float16": np.float16(two(0, 1)), "long": np.longdouble(two(0, 1)),
    "unmasked": np.ma.masked_array(two(0, 1)), "object int": np.array(two(0, 1), object),
    "surrogate": two("\ud800", "b"), "empty": two("", "b"),
}  # fmt: skip
if hasattr(np.dtypes, "StringDType"):
    ACCEPTED["variable"] = np.array(two("a", "bcd"), dtype=np.dtypes.StringDType())


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_fit_accepts_save_can_save(tiny, tmp_path, name):
    registry.add(TINY)
    clf = Classifier(**tiny).fit(X, ACCEPTED[name])
    assert set(clf.classes_.tolist()) == set(np.asarray(ACCEPTED[name]).tolist())
    clf.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(X), clf.predict(X))
    assert again.classes_.tolist() == clf.classes_.tolist()


@pytest.mark.parametrize("weight", [1e308, 1e-320, 1e13, np.inf, 0, -1])
def test_absurd_class_weights_are_refused_before_anything_is_computed(tiny, engine, weight):
    with pytest.raises(InvalidInputError, match="class_weight must have"):
        Classifier(**tiny, class_weight={0: weight, 1: 1}).fit(X, two(0, 1))
    assert engine.images == 0


@pytest.mark.parametrize(
    "groups",
    [two([1], [1, 2]), two({}, {}), two(1j, int), np.ma.masked_array(two(0, 1), mask=[1] + [0] * 23)],
)
def test_groups_that_mean_nothing_are_refused(tiny, engine, groups):
    with pytest.raises(InvalidInputError, match="^groups"):
        Classifier(**tiny).fit(X, two(0, 1), groups=groups)
    assert engine.images == 0


@pytest.mark.parametrize("points", [POINTS + 1j, POINTS.astype("datetime64[s]"), POINTS.astype("V8")])
def test_points_that_are_no_numbers_are_refused(tiny, engine, points):
    with pytest.raises(InvalidInputError, match="y must be one array of numbers"):
        KeypointRegressor(**tiny).fit(X, points)
    assert engine.images == 0


def test_masked_points_are_missing_points(tiny):
    mask = POINTS > 34
    masked = np.ma.masked_array(np.where(mask, 1e6, POINTS), mask=mask)
    missing = np.where(mask, np.nan, POINTS)
    np.testing.assert_array_equal(as_points(masked), as_points(missing))
    model = KeypointRegressor(**tiny, head="linear")
    np.testing.assert_array_equal(model.fit(X, masked).predict(X), model.fit(X, missing).predict(X))
