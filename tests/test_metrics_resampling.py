"""The bootstrap: whole groups, no class without rows, the same resamples for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferkit.metrics import Figure, Resampling, classification_figures, percentile_figure
from transferkit.metrics import resampling as resampling_module


def weights_of(n, n_resamples=30, **options):
    return np.concatenate(list(Resampling(n, n_resamples=n_resamples, **options)))


@given(st.integers(2, 20), st.integers(0, 1000))
def test_as_many_rows_are_drawn_as_there_are(n, seed):
    weights = weights_of(n, seed=seed)
    assert weights.shape == (30, n)
    assert (weights.sum(axis=1) == n).all()
    assert (weights >= 0).all()


def test_each_row_is_drawn_once_on_average():
    weights = np.concatenate(list(Resampling(20, n_resamples=4000)))
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.1)
    np.testing.assert_allclose(weights.var(axis=0), 0.95, atol=0.15)  # 1 - 1 / n


def test_no_stratum_disappears_and_its_size_varies():
    strata = np.array([0] * 2 + [1] * 18)
    assert (weights_of(20, n_resamples=2000)[:, :2].sum(axis=1) == 0).any()
    weights = weights_of(20, strata=strata, n_resamples=2000)
    rare = weights[:, :2].sum(axis=1)
    assert rare.min() == 1
    # As where nothing is held: a binomial number, but for its zeros.
    assert rare.mean() == pytest.approx(2 / (1 - 0.9**20), rel=0.05)
    assert (weights.sum(axis=1) == 20).all()


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Where one of ten is ill: with as many ill in each resample, 0.55 of the intervals did."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(200):
        true = rng.random(150) < 0.1
        predicted = np.where(true, rng.random(150) < 0.1, rng.random(150) < 0.01)
        found = classification_figures(
            true.astype(int), predicted.astype(int), classes=[0, 1], groups=np.arange(150), n_resamples=300
        ).whole["accuracy"]
        hits += found.low <= 0.901 <= found.high
    assert 176 <= hits <= 200  # 190 expected, and three standard errors of a little less


def test_one_group_of_a_class_says_nothing_of_others():
    groups = np.repeat([0, 1], 20)
    true = np.repeat(["benign", "malign"], 20)
    predicted = true.copy()
    predicted[::4] = "benign"
    found = classification_figures(true, predicted, groups=groups).whole["accuracy"]
    assert np.isnan(found.low)
    assert found.note == "too few images or groups for an interval"


def test_rows_of_a_group_are_drawn_together():
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    weights = weights_of(6, groups=groups)
    for name in "abc":
        rows = weights[:, groups == name]
        assert (rows == rows[:, :1]).all()
    assert np.ptp(weights.sum(axis=1)) > 0  # groups have different sizes


def test_groups_bring_their_strata():
    groups = np.repeat(np.arange(6), 2)
    pure = weights_of(12, groups=groups, strata=np.repeat([0, 1], [2, 10]), n_resamples=500)
    assert (pure[:, :2].sum(axis=1) > 0).all()
    assert np.ptp(pure[:, :2].sum(axis=1)) > 0
    assert Resampling(12, groups=groups, strata=np.tile([0, 1], 6)).is_known
    one = Resampling(12, groups=groups, strata=np.repeat([0, 1], [2, 10]))
    assert not one.is_known
    assert np.isnan(one.apply(lambda weights: weights.sum(axis=1))).all()
    assert Resampling(12, strata=np.repeat([0, 1], [1, 11])).is_known  # an image stands for itself


def test_the_seed_decides(monkeypatch):
    np.testing.assert_array_equal(weights_of(9, seed=1), weights_of(9, seed=1))
    assert (weights_of(9, seed=1) != weights_of(9, seed=2)).any()
    monkeypatch.setattr(resampling_module, "_BLOCK", 40)
    blocks = [len(block) for block in Resampling(9, n_resamples=30)]
    assert blocks == [4] * 7 + [2]


def test_one_group_says_nothing():
    statistic = Resampling(4, groups=[7] * 4, n_resamples=5).apply(lambda weights: weights.sum(axis=1))
    assert statistic.shape == (5,)
    assert np.isnan(statistic).all()


def test_percentiles():
    samples = np.arange(1001.0)
    found = percentile_figure(500, samples, confidence=0.9)
    assert (found.low, found.value, found.high, found.note) == (
        pytest.approx(50),
        500,
        pytest.approx(950),
        "",
    )
    assert percentile_figure(-3, samples, confidence=0.9).low == -3
    assert percentile_figure(2000, samples, confidence=0.9).high == 2000
    samples[:200] = np.nan
    few = percentile_figure(500, samples, confidence=0.9)
    assert np.isnan(few.low)
    assert few.note == "too few images or groups for an interval"
    samples = np.append(np.full(10, np.nan), np.arange(1000.0))
    assert percentile_figure(500, samples, confidence=0.9).low > 0


def test_figures_for_json():
    assert Figure(0.5, note="why").to_dict() == {"value": 0.5, "low": None, "high": None, "note": "why"}
