"""Weights of images: what they mean in a fit and in a score, and which are refused."""

import numpy as np
import pytest

from transferkit import Classifier, ImageRegressor, KeypointRegressor
from transferkit.errors import InvalidInputError
from transferkit.heads import AutoHead, LinearHead, MLPHead

N = 24
rng = np.random.default_rng(0)
IMAGES = [rng.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(N)]
FEATURES = rng.normal(size=(N, 5)).astype(np.float32)
TARGETS = {
    Classifier: np.array(["a", "b", "c"])[np.arange(N) % 3],
    ImageRegressor: np.column_stack([FEATURES[:, 0] * 3, rng.normal(size=N)]),
    KeypointRegressor: rng.uniform(4, 28, (N, 4, 2)),
}
WEIGHT = rng.integers(0, 3, N).astype(float)
KEPT = np.flatnonzero(WEIGHT)
TWICE = np.repeat(np.arange(N), WEIGHT.astype(int))


def chosen(values, rows):
    return [values[row] for row in rows] if isinstance(values, list) else values[rows]


def outputs(model, X):
    return model._outputs(model.predictor_, X)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("head", [LinearHead(), LinearHead(0.1), AutoHead()], ids=str)
def test_weight_0_is_the_same_as_leaving_out(tiny, kind, head):
    if kind is KeypointRegressor and head == AutoHead():
        head = "auto"
    y = TARGETS[kind]
    weighted = kind(**tiny, head=head).fit(IMAGES, y, sample_weight=WEIGHT > 0)
    without = kind(**tiny, head=head).fit(chosen(IMAGES, KEPT), y[KEPT])
    np.testing.assert_allclose(outputs(weighted, IMAGES), outputs(without, IMAGES), rtol=1e-9)


@pytest.mark.parametrize("kind", [ImageRegressor, KeypointRegressor])
@pytest.mark.parametrize("head", ["linear", AutoHead(), LinearHead(0.1)], ids=str)
def test_weight_2_is_the_same_as_two_copies_in_one_group(tiny, kind, head):
    """Copies of an image share a group, so they are held out together, as one row of weight 2 is."""
    if kind is KeypointRegressor and head == AutoHead():
        head = "auto"
    y = TARGETS[kind]
    weighted = kind(**tiny, head=head).fit(IMAGES, y, sample_weight=WEIGHT)
    doubled = kind(**tiny, head=head).fit(chosen(IMAGES, TWICE), y[TWICE])
    np.testing.assert_allclose(outputs(weighted, IMAGES), outputs(doubled, IMAGES), rtol=1e-6, atol=1e-6)


def test_rows_of_equal_features_are_copies_too():
    y = TARGETS[ImageRegressor]
    weighted = ImageRegressor("precomputed", head="linear").fit(FEATURES, y, sample_weight=WEIGHT)
    doubled = ImageRegressor("precomputed", head="linear").fit(FEATURES[TWICE], y[TWICE])
    assert [row["absolute_error"] for row in weighted.history_] == pytest.approx(
        [row["absolute_error"] for row in doubled.history_]
    )
    np.testing.assert_allclose(weighted.predict(FEATURES), doubled.predict(FEATURES), rtol=1e-6)


@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 3, "b": 1, "c": 1}])
def test_of_classes_up_to_the_weak_prior_of_the_calibration(tiny, class_weight):
    y = TARGETS[Classifier]
    clf = Classifier(**tiny, head=LinearHead(0.1), class_weight=class_weight)
    found = clf.fit(IMAGES, y, sample_weight=WEIGHT).predict_proba(IMAGES)
    penalties = clf.history_
    doubled = clf.fit(chosen(IMAGES, TWICE), y[TWICE])
    np.testing.assert_allclose(found, doubled.predict_proba(IMAGES), atol=0.05)
    assert penalties[0]["squared_error"] == pytest.approx(clf.history_[0]["squared_error"])
    unweighted = clf.fit(IMAGES, y).predict_proba(IMAGES)
    assert np.abs(found - unweighted).max() > 0.05


@pytest.mark.parametrize(
    ("head", "scale"),
    [
        (LinearHead(), 1e-200),
        (LinearHead(), 1e200),
        pytest.param(MLPHead(epochs=1, l2=0.1), 7.0, marks=pytest.mark.slow),
    ],
)
def test_only_ratios_count(head, scale):
    y = TARGETS[Classifier]
    one, other = (
        Classifier("precomputed", head=head).fit(FEATURES, y, sample_weight=weight)
        for weight in (WEIGHT, WEIGHT * scale)
    )
    np.testing.assert_allclose(
        one.decision_function(FEATURES), other.decision_function(FEATURES), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", TARGETS)
def test_images_that_cannot_be_read_take_their_weights_along(tiny, kind):
    bad = list(IMAGES)
    bad[2] = bad[9] = b"no image"
    weight, y = np.linspace(1, 5, N), TARGETS[kind]
    kept = np.delete(np.arange(N), [2, 9])
    found = kind(**tiny, head=LinearHead(0.1)).fit(bad, y, sample_weight=weight)
    expected = kind(**tiny, head=LinearHead(0.1)).fit(
        chosen(IMAGES, kept), y[kept], sample_weight=weight[kept]
    )
    np.testing.assert_allclose(outputs(found, IMAGES), outputs(expected, IMAGES), rtol=1e-9)
    assert found.score(bad, y, sample_weight=weight) == pytest.approx(
        expected.score(chosen(IMAGES, kept), y[kept], sample_weight=weight[kept])
    )


@pytest.mark.slow
def test_the_validation_loss_is_weighted():
    y = np.arange(N) % 2
    weight = np.where(np.arange(N) < 6, 1e-9, 1.0)
    head = MLPHead(epochs=1, validation_fraction=0.5)
    losses = [
        Classifier("precomputed", head=head).fit(FEATURES, y, sample_weight=each).history_[0]["val_loss"]
        for each in (weight, None)
    ]
    assert abs(losses[0] - losses[1]) > 1e-4


def test_a_class_without_weight_is_not_learned():
    y = TARGETS[Classifier]
    clf = Classifier("precomputed").fit(FEATURES, y, sample_weight=y != "c")
    assert clf.classes_.tolist() == ["a", "b"]
    with pytest.raises(InvalidInputError, match=r"y must have at least two classes.*16 images were left out"):
        clf.fit(FEATURES, y, sample_weight=y == "c")


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.where(np.arange(N) == 3, -1, 1), "Got -1.0 in row 3"),
        (np.where(np.arange(N) == 4, np.nan, 1), "Got nan in row 4"),
        (np.ones(N - 1), rf"shape == \({N - 1},\) but X has {N} images"),
        (np.ones((N, 1)), rf"shape == \({N}, 1\) but X has {N} images"),
        (np.zeros(N), f"not 0 for all. Got {N} zeros"),
        (["1"] * N, "their type is"),
        (np.ma.array(np.ones(N), mask=np.arange(N) == 1), "none masked"),
        (np.where(np.arange(N) == 4, 1e-20, 1), "within a factor of 1e\\+12"),
    ],
)  # fmt: skip
def test_other_weights_are_refused_in_fit_and_score(weight, message):
    y = TARGETS[Classifier]
    clf = Classifier("precomputed", head=LinearHead(0.1)).fit(FEATURES, y)
    for method in (clf.fit, clf.score):
        with pytest.raises(InvalidInputError, match=f"^sample_weight must .*{message}") as error:
            method(FEATURES, y, sample_weight=weight)
        assert len(error.value.problems) == 1


@pytest.mark.parametrize("kind", TARGETS)
def test_a_score_is_weighted(tiny, kind):
    model = kind(**tiny, head=LinearHead(0.1)).fit(IMAGES, TARGETS[kind])
    others = TARGETS[kind][::-1]
    weighted = model.score(IMAGES, others, sample_weight=WEIGHT)
    assert weighted == pytest.approx(model.score(chosen(IMAGES, TWICE), others[TWICE]))
    assert weighted != pytest.approx(model.score(IMAGES, others))


def test_logarithms_of_probabilities_that_round_to_0_are_finite():
    for y in (
        np.arange(N) % 2,
        np.arange(N) % 3,
        np.eye(3, dtype=int)[rng.integers(0, 3, N)] | (WEIGHT > 1)[:, None],
    ):
        clf = Classifier("precomputed", head=LinearHead(1e-3)).fit(FEATURES + 9 * np.resize(y, (N, 5)), y)
        far = np.vstack([FEATURES, 1e6 * FEATURES])
        found, probabilities = clf.predict_log_proba(far), clf.predict_proba(far)
        assert np.isfinite(found).all()
        assert not probabilities.all()
        np.testing.assert_allclose(np.exp(found), probabilities, atol=1e-12)


@pytest.mark.slow
def test_validation_data_have_weights_of_their_own(tiny):
    y = TARGETS[ImageRegressor]
    head = MLPHead(hidden=4, epochs=1)

    def loss(*validation_data):
        model = ImageRegressor(**tiny, head=head).fit(IMAGES, y, validation_data=validation_data)
        return model.history_[0]["val_loss"]

    weighted = loss(IMAGES, y, WEIGHT)  # each of these builds a network
    assert weighted == pytest.approx(loss(chosen(IMAGES, TWICE), y[TWICE]), rel=1e-5)
    assert loss(IMAGES, y, None) != pytest.approx(weighted, rel=1e-3)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((None, "y"), "^X of validation_data must be one image"),
        (("nothing*.png", "y"), "^X of validation_data must be images. No file matches"),
        (("X", "two"), "^y of validation_data has 2 rows but its X has 24 images"),
        (("X", "y", np.ones(3)), "^sample_weight of validation_data must .*== \\(3,\\) but its X has 24"),
        (("X",), r"^validation_data must be \(X, y\), or \(X, y, sample_weight\)"),
    ],
)
def test_problems_of_validation_data_name_it(tiny, engine, pair, message):
    y = TARGETS[ImageRegressor]
    known = {"X": IMAGES, "y": y, "two": y[:2]}
    pair = tuple(known.get(one, one) if isinstance(one, str) else one for one in pair)
    with pytest.raises(InvalidInputError, match=message):
        ImageRegressor(**tiny, head=LinearHead(0.1)).fit(IMAGES, y, validation_data=pair)


def test_logarithms_keep_what_a_probability_rounds_to_1():
    clf = Classifier("precomputed", head=LinearHead(1e-3)).fit(FEATURES, np.arange(N) % 2)
    found = clf._task().log_probabilities(np.array([[50.0], [-50.0], [0.5]]))
    assert found[0, 1] == found[1, 0] == pytest.approx(-np.exp(-50), rel=1e-9)
    np.testing.assert_allclose(found[2], np.log([1 / (1 + np.exp(0.5)), 1 / (1 + np.exp(-0.5))]))
