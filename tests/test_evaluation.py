"""evaluate: figures of a fitted model on images it has not seen, and its worst mistakes."""

import json
import sys

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import transferkit
from transferkit import Classifier, FeatureExtractor, ImageRegressor, KeypointRegressor, evaluate
from transferkit.datasets import make_faces
from transferkit.errors import BadImageError, InvalidInputError, MissingDependencyError, NotFittedError
from transferkit.estimators import ImageEstimator
from transferkit.evaluation import ClassificationEvaluation, KeypointEvaluation, image_names, kind_of
from transferkit.keypoints import GROUPS, as_points
from transferkit.metrics import normalized_mean_error


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 8))
    return X, np.where(X[:, 0] + 0.7 * generator.normal(size=200) > 0, "woman", "man")


@pytest.fixture(scope="module")
def fitted(rows):
    X, y = rows
    return Classifier("precomputed", head="linear", extractor=FeatureExtractor(progress=False)).fit(
        X[:100], y[:100]
    )


@pytest.fixture(scope="module")
def evaluation(fitted, rows):
    X, y = rows
    return evaluate(fitted, X[100:], y[100:])


def test_what_it_holds(evaluation, fitted, rows):
    X, y = rows
    assert isinstance(evaluation, ClassificationEvaluation)
    np.testing.assert_array_equal(evaluation.y_true, y[100:])
    np.testing.assert_array_equal(evaluation.y_pred, fitted.predict(X[100:]))
    np.testing.assert_allclose(evaluation.probabilities, fitted.predict_proba(X[100:]))
    assert evaluation.classes.tolist() == ["man", "woman"]
    assert evaluation.pos_label == "woman"
    assert evaluation.names[:2] == ["#0", "#1"]
    assert evaluation.images is None
    assert evaluation.figures["accuracy"].value == pytest.approx(fitted.score(X[100:], y[100:]))
    expected = [
        [((y[100:] == a) & (evaluation.y_pred == p)).sum() for p in ("man", "woman")]
        for a in ("man", "woman")
    ]
    np.testing.assert_array_equal(evaluation.confusion_matrix, expected)


def test_the_most_confident_mistakes_come_first(evaluation):
    worst = evaluation.worst(100)
    assert len(worst) == int((evaluation.y_true != evaluation.y_pred).sum()) > 3
    chances = [mistake.probability for mistake in worst]
    assert chances == sorted(chances, reverse=True)
    for mistake in worst:
        assert mistake.actual == evaluation.y_true[mistake.index] != mistake.predicted
        assert mistake.name == f"#{mistake.index}"
        assert mistake.probability == evaluation.probabilities[mistake.index].max()
    assert evaluation.worst(2) == worst[:2]
    assert str(worst[0]).startswith(f"{worst[0].name}: actual ")


def test_printed_table_names_positive_class_number_and_interval(evaluation):
    text = str(evaluation)
    lines = text.splitlines()
    assert lines[0] == "100 images, 2 classes"
    assert lines[1] == "Positive class: 'woman', the second (pos_label= chooses)"
    assert lines[2].startswith("Intervals: 95 %")
    value = evaluation.figures["sensitivity"].value
    assert f"{100 * value:.1f} %" in next(line for line in lines if line.startswith("sensitivity"))
    assert "actual  man  woman" in lines
    assert len({len(line) for line in lines[4:15]}) == 1  # aligned
    assert repr(evaluation).startswith("<ClassificationEvaluation of 100 images: accuracy")


def test_the_other_class_can_be_positive(evaluation, fitted, rows):
    X, y = rows
    other = evaluate(fitted, X[100:], y[100:], pos_label="man", confidence=0.9)
    assert other.figures["sensitivity"].value == evaluation.figures["specificity"].value
    assert "'man', the first" in str(other)
    assert "Intervals: 90 %" in str(other)


def test_frames_and_dictionaries(evaluation):
    frame = evaluation.to_frame()
    assert list(frame.columns) == ["figure", "value", "low", "high", "note"]
    assert frame.set_index("figure").loc["auc", "value"] == evaluation.figures["auc"].value
    data = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert data["n_images"] == 100
    assert data["figures"]["mcc"]["low"] == evaluation.figures["mcc"].low
    assert data["classes"] == ["man", "woman"]


def test_without_pandas_the_error_says_what_to_do(evaluation, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r"to_frame\(\) needs pandas.*transferkit\[tables\]"):
        evaluation.to_frame()


def test_html_escapes_labels(rows):
    X, _ = rows
    y = np.where(X[:, 0] > 0, "<script>x</script>", "a&b")
    text = evaluate(DummyClassifier().fit(X, y), X, y)._repr_html_()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "a&amp;b" in text


def test_each_of_several_classes_has_figures(rows):
    X, y = rows
    three = np.where(X[:, 1] > 0.8, "other", y)
    model = Classifier("precomputed", head="linear", extractor=FeatureExtractor(progress=False)).fit(
        X[:100], three[:100]
    )
    found = evaluate(model, X[100:], three[100:])
    assert found.pos_label is None
    assert list(found.class_figures) == ["man", "other", "woman"]
    assert "means over the classes" in str(found)
    assert set(found.to_frame()["class"]) == {"all", "man", "other", "woman"}
    named = ClassificationEvaluation(["all", "b", "c"], ["all", "b", "b"], None, np.array(["all", "b", "c"]))
    assert list(dict.fromkeys(row["class"] for row in named._records())) == [None, "all", "b", "c"]
    assert [row["label"] for row in found.to_dict()["class_figures"]] == ["man", "other", "woman"]
    missing = evaluate(model, X[100:], np.where(three[100:] == "other", "man", three[100:]))
    assert np.isnan(missing.class_figures["other"]["sensitivity"].value)
    assert json.dumps(missing.to_dict(), allow_nan=False)


def test_groups_widen_intervals_and_the_table_says_so(fitted, rows):
    X, y = np.repeat(rows[0][100:], 4, axis=0), np.repeat(rows[1][100:], 4)
    alone = evaluate(fitted, X, y).figures["accuracy"]
    grouped = evaluate(fitted, X, y, groups=np.repeat(np.arange(100), 4))
    assert grouped.figures["accuracy"].high - grouped.figures["accuracy"].low > 1.5 * (alone.high - alone.low)
    assert "bootstrap over 100 groups" in str(grouped)


def test_two_models_see_the_same_resamples(evaluation, fitted, rows):
    X, y = rows
    again = evaluate(fitted, X[100:], y[100:])
    assert (evaluation.resampled("auc") == again.resampled("auc")).all()
    low, high = np.quantile(evaluation.resampled("auc"), [0.025, 0.975])
    figure = evaluation.figures["auc"]
    assert (low, high) == pytest.approx((figure.low, figure.high), abs=0.02)


def test_unknown_figures(evaluation):
    with pytest.raises(InvalidInputError, match="figure must be 'accuracy'.*Got 'recall'"):
        evaluation.resampled("recall")


def test_any_classifier_of_scikit_learn(rows):
    X, y = rows
    model = make_pipeline(StandardScaler(), SVC()).fit(X[:100], y[:100])
    found = evaluate(model, X[100:], y[100:])
    assert found.probabilities is None
    assert found.figures["accuracy"].value == pytest.approx(model.score(X[100:], y[100:]))
    assert "needs probabilities" in str(found)
    assert str(found.worst(1)[0]).count("%") == 0


def test_labels_that_were_never_seen(fitted, rows):
    X, _ = rows
    with pytest.raises(
        InvalidInputError, match=r"never trained on: 'child', in 1 of 3.*knows 'man' and 'woman'"
    ):
        evaluate(fitted, X[:3], ["man", "child", "man"])
    with pytest.raises(InvalidInputError, match="never trained on: 0 and 1"):
        evaluate(fitted, X[:2], [0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": ["man"]}, "y has 1 rows but X has 100 images"),
        ({"groups": [1]}, r"groups has shape \(1,\)"),
        ({"normalizer": "pupils"}, "normalizer is for keypoints"),
        ({"pos_label": "men"}, "pos_label must be 'man' or 'woman'. Got 'men'"),
        ({"confidence": 95}, "confidence must be between 0 and 1"),
        ({"on_error": "ignore"}, "on_error must be"),
        ({"on_error": "skip"}, "on_error='skip' needs an estimator of transferkit on images"),
        ({"estimator": StandardScaler()}, "Got StandardScaler"),
        ({"estimator": "model.safetensors"}, "Got str"),
    ],
)
def test_mistakes(fitted, rows, options, message):
    arguments = {"estimator": fitted, "X": rows[0][100:], "y": rows[1][100:]} | options
    with pytest.raises(InvalidInputError, match=message):
        evaluate(**arguments)


def test_mistakes_show_before_a_prediction_takes_its_time(rows, monkeypatch):
    X, y = rows
    model = DummyClassifier().fit(X, y)
    monkeypatch.setattr(model, "predict", None)
    for options in ({"confidence": 95}, {"pos_label": "men"}, {"groups": [1]}):
        with pytest.raises(InvalidInputError):
            evaluate(model, X, y, **options)


def test_before_fit(rows):
    with pytest.raises(NotFittedError):
        evaluate(Classifier("precomputed"), *rows)


def test_images_that_cannot_be_read(tiny, pictures, tmp_path):
    paths, labels = pictures
    model = Classifier(**tiny, augment=None, head="linear").fit(paths[:40], labels[:40])
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    X, y = [paths[40], bad, *paths[41:]], ["left", "left", *labels[41:]]
    with pytest.raises(BadImageError) as caught:
        evaluate(model, X, y, on_error="raise")
    assert caught.value.index == 1
    found = evaluate(model, X, y, groups=np.arange(21))  # as score
    assert found.figures["accuracy"].value == pytest.approx(model.score(X, y))
    with pytest.raises(BadImageError):
        evaluate(model.set_params(extractor__on_error="raise"), X, y)
    model.set_params(extractor__on_error=None)
    clean = evaluate(model, paths[40:], labels[40:])
    assert found.names == clean.names == [path.name for path in paths[40:]]
    assert found.images == paths[40:]
    assert found.groups.tolist() == [0, *range(2, 21)]
    np.testing.assert_array_equal(found.y_pred, clean.y_pred)
    assert [failure.path for failure in found.skipped] == [str(bad)]
    assert "1 images could not be read" in str(found)
    with paths[50].open("rb") as file:  # a file object can be read once only
        once = evaluate(model, [file, paths[51]], labels[50:52], on_error="skip")
    np.testing.assert_array_equal(once.y_pred, clean.y_pred[10:12])


def test_file_names_that_occur_twice_get_their_folders():
    assert image_names(["x/a/1.jpg", "x/b/2.jpg", np.zeros(3)]) == ["1.jpg", "2.jpg", "#2"]
    assert image_names(["x/a/1.jpg", "x/b/1.jpg"]) == ["a/1.jpg", "b/1.jpg"]
    assert image_names(["1.jpg", "1.jpg"]) == ["1.jpg", "1.jpg"]


def test_keypoints_of_faces():
    true = as_points(make_faces(12, size=64, clutter=0).keypoints)
    predicted = true + np.random.default_rng(0).normal(size=true.shape)
    predicted[3, list(GROUPS["jaw"])] += 20
    found = KeypointEvaluation(true, predicted)
    assert found.normalizer == "outer_eye_corners"
    assert found.figures["nme"].value == pytest.approx(normalized_mean_error(true, predicted))
    assert found.worst(1)[0].index == 3
    assert found.worst(1)[0].error == found.errors.max()
    assert list(found.region_figures) == list(GROUPS)
    assert found.region_figures["jaw"].value > 2 * found.region_figures["nose"].value
    text = str(found)
    assert "12 images of 68 points" in text
    assert "in percent of outer_eye_corners" in text
    assert "right eyebrow" in text
    assert "outer_eye_corners" in repr(found)
    assert "outer_eye_corners" in found._repr_html_()
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert len(found.to_frame()) == 4 + 9
    other = KeypointEvaluation(true, predicted, normalizer="box_size", limit=0.05)
    assert "in percent of box_size" in str(other)
    assert "up to 5 %" in str(other)


def test_keypoint_images_without_an_error_are_counted():
    true = as_points(make_faces(4, size=64, clutter=0).keypoints)
    true[1, 36] = np.nan
    found = KeypointEvaluation(true, np.nan_to_num(true))
    assert "1 of them lack the points" in str(found)
    assert len(found.worst()) == 3
    assert found.to_dict()["n_without_error"] == 1


def test_keypoints_of_any_regressor_and_number():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 5))
    y = X @ generator.normal(size=(5, 6)) + 0.1 * generator.normal(size=(60, 6))
    found = evaluate(LinearRegression().fit(X, y), X, y, groups=np.arange(60) // 3)
    assert found.normalizer == "box_size"
    assert found.region_figures == {}
    assert "bootstrap over 20 groups" in str(found)
    assert found.true.shape == found.predicted.shape == (60, 3, 2)
    with pytest.raises(InvalidInputError, match="pos_label is for classifiers"):
        evaluate(LinearRegression().fit(X, y), X, y, pos_label=1)
    with pytest.raises(InvalidInputError, match="limit must be a positive fraction"):
        evaluate(LinearRegression().fit(X, y), X, y, limit=-1)
    ours = KeypointRegressor("precomputed", extractor=FeatureExtractor(progress=False)).fit(X, y)
    assert evaluate(ours, X, y).figures["nme"].value == pytest.approx(found.figures["nme"].value, rel=0.2)


def test_other_points_than_those_of_the_model_are_told_before_it_predicts(tiny, pictures, monkeypatch):
    paths, _ = pictures
    points = np.random.default_rng(0).uniform(5, 25, (20, 4, 2))
    model = KeypointRegressor(**tiny, refine=0).fit(paths[:20], points)
    monkeypatch.setattr(KeypointRegressor, "predict", None)
    message = "^y has 3 points but the model finds 4. Pass the same points"
    for judge in (evaluate, KeypointRegressor.score):
        with pytest.raises(InvalidInputError, match=message):
            judge(model, paths[:20], points[:, :3])
    with pytest.raises(InvalidInputError, match="20 images of 3 points but y_pred has 20 of 4"):
        KeypointEvaluation(points[:, :3], points)


def test_keypoints_on_images(tiny, pictures):
    paths, _ = pictures
    points = np.random.default_rng(0).uniform(5, 25, (60, 4))
    model = KeypointRegressor(**tiny, refine=0).fit(paths[:40], points[:40])
    found = evaluate(model, paths[40:], points[40:])
    np.testing.assert_allclose(found.predicted.reshape(20, 4), model.predict(paths[40:]))
    assert found.names == [path.name for path in paths[40:]]
    assert found.images == paths[40:]


def test_public_name():
    assert transferkit.evaluate is evaluate


def test_one_keypoint_needs_a_number_of_pixels(tiny):
    images = [np.full((20, 20, 3), 10 * i, np.uint8) for i in range(12)]
    points = np.stack([np.linspace(3, 15, 12), np.full(12, 8.0)], axis=1)[:, None]
    kp = KeypointRegressor(**tiny).fit(images, points)
    with pytest.raises(InvalidInputError, match="at least two points.*normalizer=100.0"):
        evaluate(kp, images, points)
    found = evaluate(kp, images, points, normalizer=50.0)
    pixels = np.linalg.norm(kp.predict(images) - points, axis=-1)[:, 0]
    np.testing.assert_allclose(found.errors, pixels / 50)
    assert "in percent of 50 pixels (normalizer=" in str(found)
    assert found.to_dict()["normalizer"] == 50
    with pytest.raises(InvalidInputError, match="or a positive number of pixels. Got -1"):
        evaluate(kp, images, points, normalizer=-1)


def test_one_image_with_its_own_label_or_points(tiny, pictures):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    for label in (labels[3], str(labels[3])):
        assert evaluate(clf, paths[3], label).figures["accuracy"].value == 1
    with pytest.raises(InvalidInputError, match=r"requires y to be passed, but the target y is None\.$"):
        evaluate(clf, paths[3], None)
    with pytest.raises(InvalidInputError, match=r"requires y to be passed, but the target y is 'left'\.$"):
        evaluate(clf, paths, "left")
    points = np.random.default_rng(0).uniform(5, 25, (60, 3, 2))
    kp = KeypointRegressor(**tiny, refine=0).fit(paths, points)
    expected = evaluate(kp, paths[:1], points[:1]).errors
    for of_one in (points[0], points[0].ravel()):
        np.testing.assert_allclose(evaluate(kp, paths[0], of_one).errors, expected)
    with pytest.raises(InvalidInputError, match="y has 3 rows but X has 2 images"):
        evaluate(kp, paths[:2], points[:3])
    with pytest.raises(InvalidInputError, match="y must be one array of numbers"):
        evaluate(kp, paths[0], [[1, 2], [3]])


def test_a_kind_that_evaluate_does_not_know_is_refused():
    class Numbers(ImageEstimator):
        kind = "orders"

    with pytest.raises(InvalidInputError, match="Numbers, whose kind is 'orders'"):
        kind_of(Numbers())


@pytest.mark.parametrize("several", [False, True])
def test_predictions_are_those_of_predict_where_rounding_hides_which_is_larger(rows, monkeypatch, several):
    X, y = rows
    y = np.column_stack([y == np.unique(y)[0], np.arange(len(y)) % 2 == 0]) if several else y
    clf = Classifier("precomputed").fit(X, y)
    tiny = np.full((len(X), 2 if several else 1), 1e-20)
    monkeypatch.setattr(clf, "_outputs", lambda predictor, X: tiny)
    monkeypatch.setattr(type(clf._fitted()), "outputs", lambda predictor, features: tiny)
    assert (clf.predict_proba(X) == 0.5).all()
    np.testing.assert_array_equal(evaluate(clf, X, y).y_pred, clf.predict(X))


@pytest.mark.parametrize("shape", ["series", "column", "three", "one"])
def test_numbers_of_any_regressor(shape):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    y = {"series": pandas.Series(y[:, 0]), "column": y[:, :1], "three": y, "one": y[:, 0]}[shape]
    model = Ridge().fit(X, y)
    found = evaluate(model, X, y)
    assert found.figures["r2"].value == pytest.approx(model.score(X, y))
    if shape == "one":
        assert evaluate(model, X[:1], y[0]).true.tolist() == [[y[0]]]


def test_a_search_over_our_estimators_is_of_their_kind():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 4))
    for regressor, figure in (
        (ImageRegressor("precomputed"), "r2"),
        (KeypointRegressor("precomputed"), "nme"),
    ):
        for wrap in (
            lambda one: GridSearchCV(one, {"random_state": [0]}, cv=2),
            lambda one: make_pipeline(StandardScaler(), one),
        ):
            assert figure in evaluate(wrap(regressor).fit(X, y), X, y).figures
