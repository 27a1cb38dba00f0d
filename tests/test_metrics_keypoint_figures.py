"""Figures of keypoints with their intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from transferkit.errors import InvalidInputError
from transferkit.metrics import (
    Resampling,
    area_under_ced,
    failure_rate,
    keypoint_figures,
    mean_error_figures,
    resampled_keypoint_figures,
)

ERRORS = np.random.default_rng(0).gamma(4, 0.015, 60)


def test_values_are_those_of_the_plain_functions():
    found = keypoint_figures([*ERRORS, np.nan], limit=0.06)
    assert found["nme"].value == pytest.approx(ERRORS.mean())
    assert found["median"].value == pytest.approx(np.median(ERRORS))
    assert found["auc"].value == pytest.approx(area_under_ced(ERRORS, limit=0.06))
    assert found["failure_rate"].value == failure_rate(ERRORS, limit=0.06)
    n_failed = int((ERRORS > 0.06).sum())
    expected = binomtest(n_failed, 60).proportion_ci(0.95, "wilson")
    assert (found["failure_rate"].low, found["failure_rate"].high) == pytest.approx(tuple(expected))


def test_a_resample_is_the_figure_of_the_rows_it_drew():
    errors = np.insert(ERRORS, 5, np.nan)
    samples = resampled_keypoint_figures(errors, n_resamples=6, seed=2)
    for i, weights in enumerate(next(iter(Resampling(61, n_resamples=6, seed=2)))):
        rows = np.repeat(errors, weights.astype(int))
        assert samples["nme"][i] == pytest.approx(np.nanmean(rows))
        assert samples["median"][i] == pytest.approx(np.nanmedian(rows))
        assert samples["auc"][i] == pytest.approx(area_under_ced(rows))
        assert samples["failure_rate"][i] == pytest.approx(failure_rate(rows))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 0.5), min_size=2, max_size=30), st.booleans(), st.integers(0, 99))
def test_an_interval_holds_its_value_and_order_does_not_matter(errors, grouped, seed):
    errors = np.array(errors)
    groups = np.arange(len(errors)) // 2 if grouped else None
    order = np.random.default_rng(seed).permutation(len(errors))
    before = keypoint_figures(errors, groups=groups, n_resamples=50)
    after = keypoint_figures(errors[order], groups=None if groups is None else groups[order], n_resamples=50)
    for name, figure in before.items():
        assert np.isnan(figure.low) or figure.low <= figure.value <= figure.high
        for end in ("value", "low", "high"):
            assert getattr(after[name], end) == pytest.approx(getattr(figure, end), abs=1e-12, nan_ok=True)


def test_frames_of_one_person_are_not_independent():
    frames, people = np.repeat(ERRORS, 9), np.repeat(np.arange(60), 9)
    alone, naive = keypoint_figures(ERRORS), keypoint_figures(frames)
    grouped = keypoint_figures(frames, groups=people)
    for name in ("nme", "auc", "failure_rate"):
        width, wide, narrow = (f[name].high - f[name].low for f in (alone, grouped, naive))
        assert wide == pytest.approx(width, rel=0.25), name
        assert narrow < 0.5 * wide


def test_means_leave_missing_errors_out():
    found = mean_error_figures(
        {"a": ERRORS, "b": np.where(ERRORS > 0.05, np.nan, ERRORS), "c": ERRORS * np.nan}
    )
    assert found["b"].value == pytest.approx(ERRORS[ERRORS <= 0.05].mean())
    assert found["a"].low < found["a"].value < found["a"].high
    assert np.isnan(found["c"].value)
    assert found["c"].note == "no image shows it"
    assert mean_error_figures({}) == {}


@pytest.mark.parametrize(
    ("errors", "options", "message"),
    [
        ([np.nan], {}, "No image has an error"),
        ([0.1, np.inf], {}, "Image 1 has an infinite one"),
        ([0.1], {"limit": 0}, "limit must be a positive fraction"),
        ([0.1], {"groups": [1, 2]}, "groups has shape"),
    ],
)
def test_what_cannot_be_measured(errors, options, message):
    with pytest.raises(InvalidInputError, match=message):
        keypoint_figures(errors, **options)
