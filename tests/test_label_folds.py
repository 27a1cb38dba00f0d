"""Folds that keep the shares of several labels."""

import numpy as np
import pytest

from transferkit.estimators._splitting import hold_out_labels
from transferkit.tasks import label_folds

SHARES = [0.03, 0.1, 0.4, 0.9]
N_FOLDS = 5


def labels_of(seed, n=200):
    return (np.random.default_rng(seed).uniform(size=(n, len(SHARES))) < SHARES).astype(int)


def shares_of(y, folds):
    return np.stack([y[folds == fold].mean(axis=0) for fold in range(N_FOLDS)])


def counts_of(y, folds):
    return np.stack([y[folds == fold].sum(axis=0) for fold in range(N_FOLDS)])


def random_folds(seed, groups):
    numbers = np.random.default_rng(seed).permutation(groups.max() + 1) % N_FOLDS
    return numbers[groups]


@pytest.mark.parametrize("size", [1, 3], ids=["rows", "groups of 3"])
def test_shares_are_more_even_than_by_chance(size):
    groups = np.arange(200) // size
    ours, chance = [], []
    for seed in range(20):
        y = labels_of(seed)
        ours.append(shares_of(y, label_folds(y, groups, N_FOLDS, seed)).std(axis=0))
        chance.append(shares_of(y, random_folds(seed, groups)).std(axis=0))
    assert (np.mean(ours, axis=0) < 0.6 * np.mean(chance, axis=0)).all()


def test_a_rare_label_is_in_each_fold_where_it_can_be():
    """Not in all cases, as images with several labels are dealt out for the rarest of them."""
    there, by_chance = [], []
    for seed in range(25):
        y = labels_of(seed)
        for label in np.flatnonzero(y.sum(axis=0) >= N_FOLDS):
            there.append(counts_of(y, label_folds(y, np.arange(200), N_FOLDS, seed))[:, label].all())
            by_chance.append(counts_of(y, random_folds(seed, np.arange(200)))[:, label].all())
    assert np.mean(there) >= 0.98 > np.mean(by_chance)


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_of_equal_size_and_groups_stay_whole(seed):
    y = labels_of(seed)
    sizes = np.bincount(label_folds(y, np.arange(200), N_FOLDS, seed), minlength=N_FOLDS)
    assert sizes.sum() == 200
    assert np.ptp(sizes) <= 8
    groups = np.random.default_rng(seed).integers(0, 40, 200)
    folds = label_folds(y, groups, N_FOLDS, seed)
    assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))
    np.testing.assert_array_equal(folds, label_folds(y, groups, N_FOLDS, seed))
    assert (folds != label_folds(y, groups, N_FOLDS, seed + 100)).any()


def test_few_groups_and_rows_without_labels():
    y = np.zeros((12, 2), int)
    assert np.bincount(label_folds(y, np.arange(12), 4, 0)).tolist() == [3] * 4
    assert len(set(label_folds(y, np.arange(12) // 6, 4, 0))) == 2


def test_what_is_held_out_leaves_each_label_something_to_learn():
    y = labels_of(0)
    train, held = hold_out_labels(y, np.arange(200), 0.2, 0)
    assert sorted([*train, *held]) == list(range(200))
    assert len(held) == pytest.approx(40, abs=4)
    assert y[held].any(axis=0).all()
    # One image alone has the first label: it is never held out.
    y = np.column_stack([np.arange(50) == 7, np.arange(50) % 2]).astype(int)
    for seed in range(10):
        train, held = hold_out_labels(y, np.arange(50), 0.2, seed)
        assert 7 in train
        assert len(held)
    assert len(hold_out_labels(y, np.arange(50) // 25, 0.2, 0)[1]) == 0  # two groups for five folds
    assert len(hold_out_labels(y, np.arange(50), 0.0, 0)[1]) == 0
