"""Each row of the table in docs/scikit-learn.md is a test, on images."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.experimental.enable_halving_search_cv  # noqa: F401 - lets the next import find it
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import transferkit
from tests.conftest import make_pictures
from transferkit import Backbone, Classifier, FeatureExtractor, ImageRegressor, KeypointRegressor
from transferkit.heads import LinearHead

PAGE = Path(transferkit.__file__).parent.parent / "docs" / "scikit-learn.md"
TABLE = re.search(r"## What works\n.*?\n\n(\|.*?)\n\n", PAGE.read_text(), re.S).group(1)
ROWS = re.findall(r"^\| `(\w+)` \|", TABLE, re.M)
N = 24
HEAD = LinearHead(0.001)
POINTS = np.tile(np.arange(8.0) + 4, (N, 1)) + np.arange(N)[:, None] % 2
TARGETS = {Classifier: np.arange(N) % 2, ImageRegressor: np.arange(N) % 2 * 1.0, KeypointRegressor: POINTS}
WEIGHT = np.arange(N) % 3 / 2
GROUPS = np.arange(N) // 4


def cells(batch):
    """Means of 4 x 4 cells, which need no network: workers import no TensorFlow."""
    n, size = len(batch), batch.shape[1] // 4
    return batch.reshape(n, 4, size, 4, size, 3).mean(axis=(2, 4)) / 255


class Doors:
    """A method for each row of the table: ``paths`` of pictures of two kinds, and an estimator for them."""

    def __init__(self, kind, tiny, paths):
        self.kind, self.tiny, self.paths, self.y = kind, tiny, paths, TARGETS[kind]
        self.estimator = kind(**tiny, head=HEAD, augment=None)  # mirrored, both kinds would look alike
        self.column = np.array(paths, dtype=str).reshape(-1, 1)
        self.names = np.array(["cat", "dog"])[np.arange(N) % 2]
        self.three = np.array(["a", "b", "c"])[np.arange(N) % 3]
        self.shades = [np.full((32, 32, 3), 60 * (i % 3) + i, np.uint8) for i in range(N)]

    # Of every estimator

    def clone(self):
        twin = clone(self.estimator.set_params(extractor=FeatureExtractor(), extractor__resize="pad"))
        assert repr(twin.get_params()) == repr(self.estimator.get_params())
        assert twin.extractor is not self.estimator.extractor
        assert (twin.augment, twin.extractor.resize) == (None, "pad")

    def pickle(self):
        model = self.estimator.fit(self.paths, self.y)
        twin = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(twin.predict(self.paths), model.predict(self.paths))

    def set_output(self):
        frame = FeatureExtractor(**self.tiny).set_output(transform="pandas").fit_transform(self.paths)
        assert frame.columns.tolist() == [f"fine_{i}" for i in range(6)]

    def FeatureUnion(self):
        both = FeatureUnion([(name, FeatureExtractor(**self.tiny, layers=name)) for name in ("fine", "last")])
        model = make_pipeline(both, LinearRegression()).fit(self.paths, np.arange(N))
        assert model[0].get_feature_names_out()[[0, -1]].tolist() == ["fine__fine_0", "last__last_2"]

    def estimator_html_repr(self):
        assert "backbone tiny, 32 x 32 pixels" in estimator_html_repr(self.estimator)

    def cross_validate(self):
        paths = list(self.paths)
        paths[3] = b"no image"
        scores = cross_validate(self.estimator, paths, self.y, cv=3, error_score="raise")["test_score"]
        assert np.isfinite(scores).all()

    def cross_val_predict(self):
        found = cross_val_predict(self.estimator, self.paths, self.y, cv=2)
        assert found.shape == self.y.shape
        if self.kind is Classifier:
            assert np.mean(found == self.y) > 0.9
            return
        for rows, others in ((slice(12), slice(12, None)), (slice(12, None), slice(12))):
            model = clone(self.estimator).fit(self.paths[others], self.y[others])
            np.testing.assert_allclose(found[rows], model.predict(self.paths[rows]))

    def n_jobs(self):
        # The fake engine is in this process only, and networks in workers are for tests/test_forks.py.
        extractor = FeatureExtractor(engine="auto")
        estimator = self.kind(Backbone.from_function(cells, image_size=32), head=HEAD, extractor=extractor)
        one, two = (
            cross_validate(estimator, self.paths, self.y, cv=2, n_jobs=n, error_score="raise")["test_score"]
            for n in (1, 2)
        )
        np.testing.assert_allclose(one, two)

    def GridSearchCV(self):
        grid = [{"head": ["linear"], "grid": [2]}, {"extractor__resize": ["pad"]}]
        model = self.estimator.set_params(extractor=FeatureExtractor())
        search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(self.paths, self.y)
        assert len(search.cv_results_["params"]) == 2
        chosen = search.best_estimator_.get_params()
        assert {name: chosen[name] for name in search.best_params_} == search.best_params_
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        model = model.set_params(**search.best_params_).fit(self.paths, self.y)
        np.testing.assert_array_equal(search.predict(self.paths), model.predict(self.paths))

    def HalvingGridSearchCV(self):
        search = HalvingGridSearchCV(self.estimator, {"augment": [None]}, cv=2, error_score="raise")
        assert search.fit(self.paths, self.y).best_params_ == {"augment": None}
        assert search.best_estimator_.augment is None

    def learning_curve(self):
        _, _, scores = learning_curve(
            self.estimator, self.paths, self.y, cv=2, train_sizes=[0.5, 1.0], error_score="raise"
        )
        assert np.isfinite(scores).all()

    def permutation_test_score(self):
        score, others, _ = permutation_test_score(
            self.estimator, self.paths, self.y, cv=2, n_permutations=3, random_state=0
        )
        assert score > others.mean()

    def GroupKFold(self):
        folds = GroupKFold(3)
        for train, test in folds.split(self.paths, self.y, GROUPS):
            assert not set(GROUPS[train]) & set(GROUPS[test])
        scores = cross_validate(
            self.estimator, self.paths, self.y, groups=GROUPS, cv=folds, error_score="raise"
        )
        assert np.isfinite(scores["test_score"]).all()

    def Pipeline(self):
        model = make_pipeline(self.estimator).fit(self.paths, self.y)
        alone = clone(self.estimator).fit(self.paths, self.y)
        np.testing.assert_array_equal(model.predict(self.paths), alone.predict(self.paths))

    def sample_weight(self):
        found = self.estimator.fit(self.paths, self.y, sample_weight=WEIGHT > 0).predict(self.paths)
        kept = np.flatnonzero(WEIGHT)
        without = self.estimator.fit([self.paths[row] for row in kept], self.y[kept])
        np.testing.assert_allclose(found, without.predict(self.paths))

    def set_fit_request(self):
        seen = []

        class Spy(self.kind):
            def fit(self, X, y=None, *, groups=None, sample_weight=None):
                seen.append((groups, sample_weight))
                return super().fit(X, y, groups=groups, sample_weight=sample_weight)

        with config_context(enable_metadata_routing=True):
            model = Spy(**self.tiny, head=HEAD).set_fit_request(sample_weight=True, groups=True)
            model.set_score_request(sample_weight=True)
            params = {"groups": GROUPS, "sample_weight": WEIGHT + 1}
            cv = GroupKFold(2)
            cross_validate(model, self.paths, self.y, cv=cv, params=params, error_score="raise")
        assert len(seen) == 2
        for (groups, weight), (train, _) in zip(seen, cv.split(self.paths, groups=GROUPS), strict=True):
            np.testing.assert_array_equal(groups, GROUPS[train])
            np.testing.assert_array_equal(weight, WEIGHT[train] + 1)

    # Of the extractor

    def ColumnTransformer(self):
        pandas = pytest.importorskip("pandas")
        table = pandas.DataFrame({"path": self.column[:, 0], "age": np.arange(N)})
        image = FeatureExtractor(**self.tiny, grid=2)
        columns = ColumnTransformer([("image", image, ["path"]), ("number", StandardScaler(), ["age"])])
        rows = columns.fit_transform(table)
        np.testing.assert_array_equal(rows[:, :-1], image.transform(self.paths))
        model = make_pipeline(columns, StandardScaler(), LogisticRegression()).fit(table, self.y)
        assert model.score(table, self.y) > 0.9

    # Of classifiers

    def scores(self, scoring, X, y):
        found = cross_val_score(self.estimator, X, y, cv=2, scoring=scoring, error_score="raise")
        assert np.isfinite(found).all()
        return get_scorer(scoring)(self.estimator.fit(X, y), X, y)

    def roc_auc(self):
        assert self.scores("roc_auc", self.paths, self.names) > 0.9
        assert self.scores("average_precision", self.paths, self.y) > 0.9

    def neg_log_loss(self):
        assert -0.6 < self.scores("neg_log_loss", self.paths, self.names) < 0
        assert -0.6 < self.scores("neg_log_loss", self.shades, self.three) < 0

    def roc_auc_ovr(self):
        assert self.scores("roc_auc_ovr", self.shades, self.three) > 0.9

    def of_classes(self, model, y=None, X=None):
        X, y = self.paths if X is None else X, self.names if y is None else y
        found = model.fit(X, y).predict(X)
        assert np.mean(found == y) > 0.9

    def CalibratedClassifierCV(self):
        self.of_classes(CalibratedClassifierCV(self.estimator, cv=2))

    def FixedThresholdClassifier(self):
        for threshold, expected in ((0.0, 1), (1.0, 0)):
            model = FixedThresholdClassifier(
                self.estimator, threshold=threshold, response_method="predict_proba"
            )
            assert (model.fit(self.paths, self.y).predict(self.paths) == expected).all()
        self.of_classes(FixedThresholdClassifier(self.estimator, threshold=0.5))

    def TunedThresholdClassifierCV(self):
        self.of_classes(TunedThresholdClassifierCV(self.estimator, cv=2))

    def OneVsRestClassifier(self):
        self.of_classes(OneVsRestClassifier(self.estimator), self.three, self.shades)

    def MultiOutputClassifier(self):
        y = np.column_stack([self.y, 1 - self.y])
        self.of_classes(MultiOutputClassifier(self.estimator), y)

    def VotingClassifier(self):
        parts = [("one", self.estimator), ("other", clone(self.estimator))]
        self.of_classes(VotingClassifier(parts, voting="soft"))

    def StackingClassifier(self):
        self.of_classes(StackingClassifier([("one", self.estimator)], cv=2))

    def BaggingClassifier(self):
        self.of_classes(BaggingClassifier(self.estimator, n_estimators=2, random_state=0), X=self.column)
        self.of_classes(
            BaggingClassifier(self.estimator, n_estimators=2, random_state=0), X=self.column.astype(object)
        )

    def AdaBoostClassifier(self):
        self.of_classes(AdaBoostClassifier(self.estimator, n_estimators=2), X=self.column)


OF_ALL = [*ROWS[: ROWS.index("Pipeline") + 1], "sample_weight", "set_fit_request"]


def test_every_door_has_a_row():
    doors = {name for name in vars(Doors) if not name.startswith("__")} - {"scores", "of_classes"}
    assert doors == set(ROWS)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        pytest.param(
            kind, row, marks=[pytest.mark.slow] if row == "n_jobs" or kind is KeypointRegressor else []
        )
        for row in ROWS
        for kind in (TARGETS if row in OF_ALL else [Classifier])
    ],
)
@pytest.mark.filterwarnings("ignore:.*:UserWarning:sklearn")
def test_doors(kind, row, tiny, tmp_path):
    paths, _ = make_pictures(tmp_path / "pictures", N)
    getattr(Doors(kind, tiny, paths), row)()
