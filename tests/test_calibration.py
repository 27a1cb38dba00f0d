"""Probabilities of few images are not too sure; a temperature changes no prediction and no ranking."""

import numpy as np
import pytest

import transferkit
from transferkit import Classifier
from transferkit.errors import InvalidInputError
from transferkit.heads import MLPHead, TrainingData, Validation
from transferkit.heads._calibration import best_gain, calibrate, calibrate_each, network_gain
from transferkit.persistence import _document
from transferkit.tasks import Classes

RNG = np.random.default_rng(0)
NEW = RNG.normal(size=(400, 6)).astype(np.float32)


def drawn(k, n, seed):
    """Features, and classes drawn from known probabilities."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    return X, np.argmax(2.0 * X[:, :k] + rng.gumbel(size=(n, k)), axis=1)


def few(k, seed):
    X, y = drawn(k, 12, seed)
    y[:k] = y[k : 2 * k] = np.arange(k)
    return X, y


def pair(X, y, **parameters):
    fits = (
        Classifier("precomputed", head="linear", calibrate=calibrate, **parameters).fit(X, y)
        for calibrate in ("auto", None)
    )
    return tuple(fits)


@pytest.mark.parametrize("k", [2, 3])
def test_it_lowers_the_loss_of_few_images_and_keeps_every_prediction(k):
    X, y = drawn(k, 500, 99)
    losses = []
    for seed in range(4):
        calibrated, plain = pair(*few(k, seed))
        assert np.array_equal(calibrated.predict(X), plain.predict(X))
        assert calibrated.score(X, y) == plain.score(X, y)
        sureness = [np.abs(clf.decision_function(X)) for clf in (calibrated, plain)]
        assert (sureness[0] <= sureness[1]).all()
        losses.append([-clf.predict_log_proba(X)[np.arange(len(y)), y].mean() for clf in (calibrated, plain)])
    calibrated, plain = np.mean(losses, axis=0)
    assert calibrated < plain - 0.01


def test_it_is_a_temperature():
    calibrated, plain = pair(*few(3, 0))
    logits = plain.decision_function(NEW)
    ratio = np.median(calibrated.decision_function(NEW) / logits)
    np.testing.assert_allclose(calibrated.decision_function(NEW), ratio * logits, atol=1e-4)
    assert ratio < 0.95


def test_many_images_hardly_need_it():
    X, y = drawn(2, 3000, 1)
    calibrated, plain = pair(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(NEW), plain.predict_proba(NEW), atol=0.01)


def test_the_gain_is_where_the_posterior_is_highest():
    logits, targets = RNG.normal(size=(40, 3)) * 3, np.arange(40) % 3
    weight = RNG.uniform(0, 2, 40)
    found = np.log(best_gain(logits, targets, weight, mean=0.3, deviation=0.7))

    def loss(log_gain):
        chances = Classes(np.arange(3)).log_probabilities(np.exp(log_gain) * logits)
        return -(weight * chances[np.arange(40), targets]).sum() + 0.5 * ((log_gain - 0.3) / 0.7) ** 2

    assert loss(found) < min(loss(found - 0.01), loss(found + 0.01))


def test_rows_that_say_nothing_leave_the_prior():
    targets = np.arange(6) % 2
    assert best_gain(np.zeros((6, 1)), targets, np.ones(6), 0.4, 0.5) == pytest.approx(np.exp(0.4))


def test_rows_of_weight_zero_and_the_scale_of_weights_do_not_count():
    X, y = few(3, 3)
    weight = np.where(np.arange(12) < 2, 0.0, 1.0)
    y[10:] = 0, 1
    whole = Classifier("precomputed", head="linear").fit(X, y, sample_weight=weight * 7)
    part = Classifier("precomputed", head="linear").fit(X[2:], y[2:])
    np.testing.assert_allclose(whole.predict_proba(NEW), part.predict_proba(NEW), atol=1e-6)


def test_each_of_several_labels_has_a_temperature_of_its_own():
    scores = RNG.normal(size=(30, 2))
    targets = (scores + RNG.normal(size=(30, 2)) * [0.1, 3] > 0).astype(int)
    slope, offset = calibrate_each(scores, targets, np.ones(30), np.zeros(2), "auto")
    for i in range(2):
        one = calibrate(scores[:, [i]], targets[:, i], np.ones(30), np.array([[-1.0], [1.0]]), "auto")
        np.testing.assert_allclose([slope[i, i], offset[i]], [one[0][0, 0], one[1][0]])
    assert slope[0, 1] == 0


def test_a_network_shares_one_temperature_among_labels():
    logits = np.array([[4.0, -4.0], [4.0, 4.0], [-4.0, -4.0]])
    targets = np.array([[1, 0], [0, 1], [0, 1]])  # a third is wrong
    alone = best_gain(logits.reshape(-1, 1), targets.ravel(), np.ones(6), -0.6, 0.5)
    assert network_gain(logits, targets, None) == network_gain(logits, targets, np.full(3, 5.0)) == alone
    assert alone < 0.5


@pytest.mark.parametrize("value", ["auto", None])
def test_it_is_saved_with_the_model(value, tmp_path):
    clf = Classifier("precomputed", head="linear", calibrate=value).fit(*few(3, 0))
    clf.save(tmp_path / "model.safetensors")
    loaded = transferkit.load(tmp_path / "model.safetensors")
    assert loaded.calibrate == value
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))


def test_a_model_saved_before_there_was_calibration_says_so(tmp_path, monkeypatch):
    clf = Classifier("precomputed", head="linear").fit(*few(3, 0))
    clf.save(tmp_path / "model.safetensors")
    read = _document.read_model

    def older(*args, **kwargs):
        tensors, document = read(*args, **kwargs)
        del document["parameters"]["calibrate"]
        return tensors, document

    monkeypatch.setattr(_document, "read_model", older)
    assert transferkit.load(tmp_path / "model.safetensors").calibrate is None


@pytest.mark.parametrize("value", ["isotonic", True, 1, ["auto"]])
def test_what_it_may_be(value):
    with pytest.raises(InvalidInputError, match="calibrate must be 'auto', or None"):
        Classifier("precomputed", head="linear", calibrate=value).fit(*few(2, 0))


@pytest.mark.slow
def test_a_network_is_calibrated_on_what_it_held_out_only():
    X, y = drawn(2, 200, 0)
    head = MLPHead(hidden=32, epochs=30, dropout=0.0, learning_rate=0.05, patience=None)
    fits = {
        (value, own): Classifier("precomputed", head=head, calibrate=value).fit(
            X, y, validation_data=(X[:50], y[:50]) if own else None
        )
        for value in ("auto", None)
        for own in (False, True)
    }
    logits = {key: clf.decision_function(NEW) for key, clf in fits.items()}
    np.testing.assert_array_equal(logits["auto", True], logits[None, True])
    ratio = logits["auto", False] / logits[None, False]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert ratio[0] < 0.8  # it was too sure
    task = Classes(np.arange(2))
    data = TrainingData([X[:80]], y[:80], task, np.ones(80), np.arange(80), progress=False)
    assert head.fit(data).target_scale[1] == 1
    held = Validation([X[100:]], y[100:])
    fitted = head.fit(TrainingData(**vars(data) | {"validation": held}))
    rebuilt = head.rebuild(fitted.tensors(), fitted.facts())
    np.testing.assert_allclose(rebuilt.predict([NEW]), fitted.predict([NEW]), rtol=1e-6)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("unit", [1e-9, 1e-5, 1e6, 1e12])
@pytest.mark.parametrize("share_right", [0.0, 0.6, 1.0])
def test_logits_of_any_size_have_a_temperature(k, unit, share_right):
    """As of a network on features that nobody scaled: "f(a) and f(b) must have different signs"."""
    rng = np.random.default_rng(0)
    logits = unit * rng.normal(size=(2000, k))
    likeliest = (logits[:, 0] > 0).astype(int) if k == 1 else logits.argmax(axis=1)
    right = rng.uniform(size=2000) < share_right
    gain = network_gain(logits, np.where(right, likeliest, (likeliest + 1) % max(2, k)), None)
    assert np.isfinite(gain)
    assert gain > 0
    if unit > 1 and share_right < 1:  # what is wrong and sure costs more than the prior
        assert gain * unit < 10
