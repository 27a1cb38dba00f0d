"""Numbers from images: what is learned, what comes back, and what is refused."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, median_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import cross_val_score

import transferkit
from tests.conftest import TINY
from transferkit import Classifier, ImageRegressor, compare, evaluate, load
from transferkit.backbones import registry
from transferkit.errors import InvalidInputError, ModelFileError
from transferkit.evaluation import ValueEvaluation
from transferkit.heads import LinearHead, MLPHead
from transferkit.metrics import value_figures
from transferkit.persistence import _file
from transferkit.tasks import Values, deviations

RNG = np.random.default_rng(0)
SHADES = RNG.uniform(20, 220, 40)
IMAGES = [np.clip(shade + RNG.normal(0, 8, (32, 32, 3)), 0, 255).astype(np.uint8) for shade in SHADES]
AGES = SHADES / 4 + RNG.normal(0, 0.5, 40)
BOTH = np.column_stack([AGES, 1e4 * np.sqrt(SHADES)])
FEATURES = RNG.normal(size=(60, 5)).astype(np.float32)
NUMBERS = FEATURES @ RNG.normal(size=(5, 2)) * [1, 100] + [50, -3] + RNG.normal(0, 0.3, (60, 2)) * [1, 100]


@pytest.fixture
def ages(tiny):
    registry.add(TINY)
    return ImageRegressor(**tiny).fit(IMAGES, AGES)


@pytest.mark.parametrize("y", [AGES, AGES[:, None], BOTH], ids=["one", "column", "two"])
def test_answers_have_the_shape_and_the_unit_of_y(tiny, y):
    model = ImageRegressor(**tiny).fit(IMAGES[:30], y[:30])
    found = model.predict(IMAGES[30:])
    assert found.shape == y[30:].shape
    assert found.dtype == np.float64
    assert model.n_outputs_ == np.size(y[0])
    assert model.score(IMAGES[30:], y[30:]) == pytest.approx(r2_score(y[30:], found))
    assert model.score(IMAGES[30:], y[30:]) > 0.9
    assert model.predict(IMAGES[0]).shape == y[:1].shape


def test_the_linear_head_is_the_ridge_of_scikit_learn():
    """On the same rows, scaled to mean squared norm 1, and with n times the penalty."""
    for penalty in (0.01, 1.0):
        ours = ImageRegressor("precomputed", head=LinearHead(penalty=penalty)).fit(
            FEATURES[:50], NUMBERS[:50]
        )
        scale = FEATURES[:50].astype(float).std(axis=0) * np.sqrt(5)
        theirs = Ridge(alpha=50 * penalty).fit(FEATURES[:50] / scale, NUMBERS[:50])
        expected = theirs.predict(FEATURES[50:] / scale)
        np.testing.assert_allclose(ours.predict(FEATURES[50:]), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("head", ["linear", "auto"])
def test_an_output_does_not_outweigh_another_by_its_unit(head):
    y = NUMBERS + RNG.normal(0, [3, 1], NUMBERS.shape)
    plain = ImageRegressor("precomputed", head=head).fit(FEATURES, y)
    other = ImageRegressor("precomputed", head=head).fit(FEATURES, y * [2.0**20, 2.0**-20])
    assert plain.fitted_head_.penalty == other.fitted_head_.penalty
    np.testing.assert_array_equal(other.predict(FEATURES), plain.predict(FEATURES) * [2.0**20, 2.0**-20])


def test_missing_numbers_are_left_out():
    y = NUMBERS.copy()
    y[:20, 0] = np.nan
    both = ImageRegressor("precomputed", head=LinearHead(0.1)).fit(FEATURES, y)
    alone = ImageRegressor("precomputed", head=LinearHead(0.1)).fit(FEATURES, y[:, 1])
    np.testing.assert_allclose(both.predict(FEATURES)[:, 1], alone.predict(FEATURES), rtol=1e-6)
    masked = np.ma.masked_invalid(y)
    np.testing.assert_array_equal(
        ImageRegressor("precomputed", head=LinearHead(0.1)).fit(FEATURES, masked).predict(FEATURES),
        both.predict(FEATURES),
    )
    found = both.predict(FEATURES)
    scores = [r2_score(y[20:, 0], found[20:, 0]), r2_score(y[:, 1], found[:, 1])]
    assert both.score(FEATURES, y) == pytest.approx(np.mean(scores))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "One number per image requires y to be passed"),
        ("old", "One number per image requires y"),
        (["old"] * 40, "y must be one array of numbers"),
        ([[1.0], [1.0, 2.0]] * 20, "y must be one array of numbers"),
        (np.zeros((40, 2, 2)), r"y must have shape \(n,\) or \(n, n_outputs\). Got \(40, 2, 2\)"),
        (np.where(np.arange(40) == 3, np.inf, AGES), "y has an infinite number in row 3"),
        (np.column_stack([AGES, np.full(40, np.nan)]), "All 40 are missing in column 1"),
        (AGES[:39], "y has 39 rows but X has 40 images. Each image needs one number"),
    ],
)
def test_targets_that_cannot_be_learned(tiny, engine, y, message):
    with pytest.raises(InvalidInputError, match=message):
        ImageRegressor(**tiny).fit(IMAGES, y)
    assert engine.images == 0 or "missing in column" in message  # else before anything is computed


def test_validation_data_and_scores_must_fit(tiny, ages):
    with pytest.raises(
        InvalidInputError, match="y of validation_data has 2 values in a row but the y of fit has 1"
    ):
        ages.fit(IMAGES, AGES, validation_data=(IMAGES, BOTH))
    with pytest.raises(InvalidInputError, match="y has 2 values in a row but the y of fit has 1"):
        ages.score(IMAGES, BOTH)
    with pytest.raises(InvalidInputError, match="score needs two images with different numbers"):
        ages.score(IMAGES[:2], [3.0, 3.0])


def test_it_is_saved_and_loaded(ages, tmp_path, tiny):
    ages.save(tmp_path / "one.safetensors")
    again = load(tmp_path / "one.safetensors")
    np.testing.assert_array_equal(again.predict(IMAGES), ages.predict(IMAGES))
    assert again.n_outputs_ == 1
    head = MLPHead(hidden=4, epochs=1)
    network = ImageRegressor("precomputed", head=head).fit(FEATURES, NUMBERS)
    network.save(tmp_path / "two.safetensors")
    again = load(tmp_path / "two.safetensors")
    np.testing.assert_array_equal(again.predict(FEATURES), network.predict(FEATURES))


@pytest.mark.parametrize("task", [{"kind": "classes", "dtype": "int64", "labels": [0, 1]}, "gains"])
def test_a_document_that_is_no_regressor_is_refused(tmp_path, task, monkeypatch):
    head = MLPHead(hidden=4, epochs=1) if task == "gains" else LinearHead(1.0)
    y = NUMBERS if task == "gains" else NUMBERS[:, 0]
    path = tmp_path / "model.safetensors"
    ImageRegressor("precomputed", head=head).fit(FEATURES, y).save(path)
    tensors, document = _file.read_model(path)
    if task == "gains":
        document["head_facts"]["target_gain"] = [1.0, 2.0, 3.0]
    else:
        document["task"] = task
    _file.write_model(
        path, tensors, {name: document[name] for name in document if name not in ("format", "schema")}
    )
    with pytest.raises(ModelFileError, match="does not describe a model"):
        load(path)


def test_figures_are_those_of_scikit_learn():
    found = NUMBERS + RNG.normal(0, [1, 50], NUMBERS.shape)
    figures = value_figures(NUMBERS, found, n_resamples=50)
    metrics = (r2_score, mean_absolute_error, root_mean_squared_error, median_absolute_error)
    for (name, figure), metric in zip(figures.whole.items(), metrics, strict=True):
        assert figure.value == pytest.approx(metric(NUMBERS, found), rel=1e-9), name
        assert figure.low < figure.value < figure.high
        by_output = [each[name].value for each in figures.by_output]
        raw = [metric(NUMBERS[:, i], found[:, i]) for i in range(2)]
        assert by_output == pytest.approx(raw, rel=1e-9)
    shuffled = RNG.permutation(60)
    assert value_figures(NUMBERS[shuffled], found[shuffled], n_resamples=50) == figures


def test_figures_of_resamples_are_those_of_the_rows_drawn():
    from transferkit.metrics import Resampling, resampled_value_figures

    true, found = NUMBERS[:, :1] + 1e6, NUMBERS[:, :1] + 1e6 + RNG.normal(0, 1, (60, 1))
    true[4] = np.nan
    samples = resampled_value_figures(true, found)
    weights = next(iter(Resampling(60)))
    for i in (0, 7):
        rows = np.repeat(np.arange(60), weights[i].astype(int))
        rows = rows[np.isfinite(true[rows, 0])]
        drawn = true[rows], found[rows]
        assert samples["r2"][i] == pytest.approx(r2_score(*drawn), rel=1e-6)
        assert samples["median_error"][i] == pytest.approx(median_absolute_error(*drawn))


def test_groups_widen_intervals_and_undefined_figures_say_why():
    groups = np.arange(60) // 10
    found = NUMBERS[:, 0] + np.repeat(RNG.normal(0, 2, 6), 10)
    alone, together = (
        value_figures(NUMBERS[:, 0], found, groups=each).whole["mae"] for each in (None, groups)
    )
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    same = value_figures([1.0, 1.0], [1.0, 2.0]).whole["r2"]
    assert np.isnan(same.value)
    assert same.note == "needs images with different numbers"
    partly = value_figures([[1.0, 1], [1, 2], [1, 3]], [[1.0, 1], [1, 2], [1, 4]]).whole["r2"]
    assert partly.note.startswith("mean of the 1 of 2 outputs where it is defined")


@pytest.mark.parametrize(
    ("true", "found", "message"),
    [
        ([1.0, 2.0], [1.0], r"same shape.*Got \(2,\) and \(1,\)"),
        ([1.0, 2.0], [1.0, np.nan], "y_pred must be finite. Got NaN in row 1"),
        ([np.nan], [1.0], "y_true must have a number"),
        (["a"], [1.0], "y_true must be one array of numbers"),
    ],
)
def test_figures_of_what_is_no_pair(true, found, message):
    with pytest.raises(InvalidInputError, match=message):
        value_figures(true, found)


def test_evaluate(ages, tmp_path):
    evaluation = evaluate(ages, IMAGES, AGES, groups=np.arange(40) // 2)
    text = str(evaluation)
    assert "mean absolute error" in text
    assert "bootstrap over 20 groups" in text
    found = ages.predict(IMAGES)
    assert evaluation.figures["mae"].value == pytest.approx(mean_absolute_error(AGES, found))
    worst = evaluation.worst(2)
    assert worst[0].index == np.abs(AGES - found).argmax()
    assert str(worst[0]).startswith(f"#{worst[0].index}: actual ")
    assert json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))["task"] == "regression"
    assert len(evaluation._records()) == 4
    assert evaluate(ages, IMAGES[0], AGES[0]).figures["mae"].value == pytest.approx(abs(AGES[0] - found[0]))
    with pytest.raises(InvalidInputError, match="normalizer is for keypoints"):
        evaluate(ages, IMAGES, AGES, normalizer=1.0)


def test_evaluate_several_outputs_and_other_regressors():
    model = ImageRegressor("precomputed").fit(FEATURES, NUMBERS)
    evaluation = evaluate(model, FEATURES, NUMBERS)
    assert len(evaluation.output_figures) == 2
    assert "Means over 2 outputs" in str(evaluation)
    assert {row["output"] for row in evaluation._records()} == {"all", 0, 1}
    ridge = Ridge().fit(FEATURES, NUMBERS[:, 0])
    other = evaluate(ridge, FEATURES, NUMBERS[:, 0])
    assert other.figures["r2"].value == pytest.approx(ridge.score(FEATURES, NUMBERS[:, 0]))


def test_names_of_columns_are_remembered(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(NUMBERS, columns=["age", "all"])
    model = ImageRegressor("precomputed").fit(FEATURES, table)
    assert model.output_names_ == ("age", "all")
    assert ImageRegressor("precomputed").fit(FEATURES, NUMBERS).output_names_ is None
    evaluation = evaluate(model, FEATURES, table)
    assert "age" in str(evaluation)
    outputs = [row["output"] for row in evaluation._records()]
    assert list(dict.fromkeys(outputs)) == [None, "age", "all"]  # "all" is an output here
    assert evaluation.to_dict()["output_names"] == ["age", "all"]
    model.save(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors").output_names_ == ("age", "all")
    for figure in (model.score, lambda X, y: evaluate(model, X, y)):
        with pytest.raises(InvalidInputError, match="y has the columns 'all' and 'age' but the y of fit has"):
            figure(FEATURES, table[["all", "age"]])
    with pytest.raises(InvalidInputError, match="output_names must have 2 names"):
        ValueEvaluation(NUMBERS, NUMBERS + 1, output_names=["one"])
    with pytest.raises(ValueError, match="with names"):
        Values.from_json({"kind": "values", "n_outputs": 2, "single": False, "names": ["a", 3]})


def test_compare(tiny):
    comparison = compare(
        {"plain": ImageRegressor(**tiny, augment=None), "mirror": ImageRegressor(**tiny)},
        IMAGES, AGES, cv=4, progress=False, n_timed=0,
    )  # fmt: skip
    assert comparison.metric == "r2"
    assert {row.name for row in comparison.rows} == {"plain", "mirror"}
    assert comparison.rows[0].score.value > 0.9
    assert "R²" in str(comparison)
    guessed = compare({"one": "pixels"}, IMAGES, AGES, metric="mae", cv=2, progress=False, n_timed=0)
    assert guessed.greater_is_better is False
    features = compare(
        {"ours": ImageRegressor("precomputed"), "theirs": Ridge()},
        FEATURES,
        NUMBERS[:, 0],
        cv=3,
        progress=False,
    )
    assert features.rows[1].score.value > 0.5


def test_scikit_learn_searches_and_folds(tiny):
    assert cross_val_score(ImageRegressor(**tiny), IMAGES, AGES, cv=3).min() > 0.9
    assert transferkit.ImageRegressor is ImageRegressor
    with pytest.raises(InvalidInputError, match="continuous"):
        Classifier(**tiny).fit(IMAGES, AGES)


def test_the_unit_of_an_output_is_the_deviation_of_the_numbers_present():
    y = NUMBERS.copy()
    y[:20, 0] = np.nan
    np.testing.assert_allclose(deviations(y), np.nanstd(y, axis=0))
    weight = np.arange(60) % 3
    expected = [np.std(np.repeat(column, weight)) for column in NUMBERS.T]
    np.testing.assert_allclose(deviations(NUMBERS, weight), expected)
    assert deviations(np.full((10, 1), 0.1)).tolist() == [1.0]


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_numbers_that_one_group_has_are_held_out_one_by_one(n_outputs):
    """Without that group nothing is known: every penalty would err as much, but for rounding."""
    rng = np.random.default_rng(0)
    features, others = rng.normal(size=(80, 60)), rng.normal(size=(500, 60))
    numbers = np.repeat(features[:, :1] / 2 + rng.normal(size=(80, 1)), n_outputs, axis=1)
    people = np.arange(80) // 40
    known = np.where(people[:, None] == 1, numbers, np.nan)
    found = ImageRegressor("precomputed").fit(features, known, groups=people)
    expected = ImageRegressor("precomputed").fit(features[40:], numbers[40:])
    assert found.fitted_head_.penalty == expected.fitted_head_.penalty
    assert found.score(others, np.repeat(others[:, :1] / 2, n_outputs, axis=1)) > -0.5


@pytest.mark.slow
def test_rows_without_a_number_are_not_held_out_of_a_network():
    """Their error is 0 in every epoch: training stopped after the first ones."""
    head = MLPHead(epochs=8, hidden=8, patience=2)
    known = np.arange(60) % 3 == 1
    numbers = np.where(known[:, None], NUMBERS, np.nan)
    groups = np.arange(60) // 2
    found = ImageRegressor("precomputed", head=head).fit(FEATURES, numbers, groups=groups)
    expected = ImageRegressor("precomputed", head=head)
    expected.fit(FEATURES[known], NUMBERS[known], groups=groups[known])
    np.testing.assert_array_equal(found.predict(FEATURES), expected.predict(FEATURES))


def test_validation_data_must_have_a_number():
    """Without one, each epoch would be as good as the first, whose weights would be kept."""
    nothing = np.full((20, 2), np.nan)
    with pytest.raises(InvalidInputError, match="y of validation_data must have a number in one image"):
        ImageRegressor("precomputed", head=MLPHead(epochs=1)).fit(
            FEATURES, NUMBERS, validation_data=(FEATURES[:20], nothing)
        )


def test_numbers_of_one_group_are_not_held_out_from_their_copies():
    rng = np.random.default_rng(0)
    features, others = np.tile(rng.normal(size=(40, 60)), (2, 1)), rng.normal(size=(30, 60))
    numbers = np.concatenate([np.tile(rng.normal(size=40), 2), np.full(30, np.nan)])
    people = np.repeat([0, 1], [80, 30])
    found = ImageRegressor("precomputed").fit(np.concatenate([features, others]), numbers, groups=people)
    errors = min(row["absolute_error"] for row in found.history_)
    assert errors > 0.5  # they are noise: that of a constant is 0.8, and copies would know them
