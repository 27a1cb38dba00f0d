"""Keywords and attributes of version 0 work, with a warning, or say where they are now."""

import inspect

import pytest
from sklearn.base import clone

import transferkit
from transferkit import Classifier, FeatureExtractor, KeypointRegressor
from transferkit.heads import MLPHead

OLD = {
    "resize": "pad", "engine": "keras", "precision": "float32", "batch_size": 8, "memory_limit": 1e9,
    "cache": False, "value_range": (0, 1), "on_error": "raise", "isolate": True, "retry_failed": True,
    "progress": False,
}  # fmt: skip


@pytest.mark.parametrize("kind", [Classifier, KeypointRegressor])
@pytest.mark.parametrize("name", OLD)
def test_an_old_keyword_reaches_the_extractor(kind, name):
    with pytest.warns(FutureWarning, match=rf"Pass extractor=FeatureExtractor\({name}=...\)"):
        estimator = kind("vgg16", **{name: OLD[name]})
    assert getattr(estimator.extractor, name) == OLD[name]
    assert getattr(clone(estimator).extractor, name) == OLD[name]
    with pytest.warns(FutureWarning, match=rf"FeatureExtractor\({name}=...\)"):
        estimator = kind("vgg16").set_params(**{name: OLD[name]})
    assert getattr(estimator.extractor, name) == OLD[name]


def test_the_callers_extractor_is_not_changed():
    extractor = FeatureExtractor(resize="pad")
    with pytest.warns(FutureWarning):
        clf = Classifier(extractor=extractor, cache=False)
    assert (clf.extractor.resize, clf.extractor.cache) == ("pad", False)
    assert extractor.cache is None


@pytest.mark.parametrize("kind", [Classifier, KeypointRegressor])
def test_the_validation_fraction_belongs_to_heads(kind):
    for call in (kind, kind().set_params):
        with pytest.raises(TypeError, match=r"head=MLPHead\(validation_fraction=0.2\)"):
            call(validation_fraction=0.2)
    assert kind(head=MLPHead(validation_fraction=0.2)).head.validation_fraction == 0.2


@pytest.mark.parametrize("kind", [Classifier, KeypointRegressor])
def test_signatures_show_what_people_choose(kind):
    parameters = inspect.signature(kind).parameters
    assert len(parameters) <= 12
    assert not set(parameters) & set(OLD)
    with pytest.raises(TypeError, match="unexpected keyword argument 'bakcbone'"):
        kind(bakcbone="vgg16")


def test_the_cascade_is_internal():
    with pytest.warns(FutureWarning, match="internal"):
        assert transferkit.heads.CascadeHead.__name__ == "CascadeHead"
    assert "CascadeHead" not in transferkit.heads.__all__
