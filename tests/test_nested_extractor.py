"""An estimator's settings stand in one place: its own, or in its extractor; a contradiction is an error."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from transferkit import Classifier, FeatureExtractor
from transferkit.errors import InvalidInputError


def test_settings_of_the_extractor_are_used(tiny, pictures):
    extractor = FeatureExtractor(resize="pad", batch_size=7)
    clf = Classifier(**tiny, augment=None, extractor=extractor).fit(*pictures)
    assert (clf.extractor_.resize, clf.extractor_.settings().batch_size) == ("pad", 7)
    assert clf.extractor_.describe()["resize"] == "pad"
    assert clf.extractor is extractor
    assert (extractor.engine, extractor.backbone) == (None, "mobilenet")  # as the user made it


@pytest.mark.slow
def test_searches_reach_the_extractor(tiny, pictures):
    search = GridSearchCV(
        Classifier(**tiny, augment=None), {"extractor__resize": ["stretch", "pad"], "grid": [1, 4]}, cv=2
    )
    search.fit(*pictures)
    assert {found["extractor__resize"] for found in search.cv_results_["params"]} == {"stretch", "pad"}
    assert search.best_estimator_.extractor.resize == search.best_params_["extractor__resize"]
    clf = clone(search.best_estimator_)
    assert clf.get_params()["extractor__resize"] == search.best_params_["extractor__resize"]


@pytest.mark.parametrize(
    "inner",
    [{"backbone": "vgg16"}, {"weights": None}, {"image_size": 64}, {"layers": "last"}, {"grid": 2}],
    ids=str,
)
def test_a_contradiction_is_an_error(tiny, pictures, inner):
    ((name, value),) = inner.items()
    with pytest.raises(InvalidInputError, match=f"{name} is set on the estimator, not in its extractor"):
        Classifier(**tiny, extractor=FeatureExtractor(**inner)).fit(*pictures)
    if name not in ("backbone", "weights"):
        clf = Classifier(**tiny, **inner, augment=None, extractor=FeatureExtractor(**inner)).fit(*pictures)
        assert getattr(clf.extractor_, name) == value


@pytest.mark.parametrize("extractor", ["vgg16", FeatureExtractor, {"cache": False}])
def test_what_is_no_extractor(tiny, pictures, extractor):
    with pytest.raises(InvalidInputError, match="extractor must be a FeatureExtractor, or None"):
        Classifier(**tiny, extractor=extractor).fit(*pictures)


def test_full_is_the_whole_map_to_an_extractor(tiny, pictures):
    rows = [FeatureExtractor(**tiny, grid=grid).transform(pictures[0][:2]) for grid in ("full", ["full"])]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert rows[0].shape == (2, 8 * 8 * 6)
