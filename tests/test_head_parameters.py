"""Fields of heads in searches and pipelines of scikit-learn."""

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from transferkit import Classifier, KeypointRegressor
from transferkit.errors import InvalidInputError
from transferkit.heads import ConvHead, LinearHead


@pytest.mark.slow
def test_a_search_over_a_field_of_the_head(tiny, engine, pictures):
    paths, labels = pictures
    for head in (LinearHead(), "linear"):
        clf = Classifier(**tiny, head=head)
        search = GridSearchCV(clf, {"head__penalty": [1e-3, 1e9]}, cv=2).fit(paths, labels)
        assert search.best_params_ == {"head__penalty": 1e-3}
        assert search.best_estimator_.head == LinearHead(penalty=1e-3)
        assert clf.head == head  # the user's own is as it was
    # A picture with its mirror image, and alone, to see whether the mirror hides what is learned: once each.
    assert engine.images == 3 * len(paths)


def test_fields_are_parameters():
    head = ConvHead(filters=64, epochs=3)
    clf = Classifier(head=head)
    assert clf.get_params()["head__filters"] == 64
    assert not any(name.startswith("head__") for name in clf.get_params(deep=False))
    assert clone(clf).get_params() == clf.get_params()
    assert clf.set_params(head__epochs=5, grid=2) is clf
    assert (clf.head, clf.grid) == (ConvHead(filters=64, epochs=5), 2)
    assert head.epochs == 3
    kp = KeypointRegressor().set_params(head=LinearHead(), head__penalty=0.5)
    assert kp.head == LinearHead(0.5)


@pytest.mark.parametrize(
    ("head", "change", "message"),
    [
        ("auto", {"head__penalty": 1}, "AutoHead has no 'penalty' to set by 'head__'. It has none"),
        ("linear", {"head__penalti": 1}, "LinearHead has no 'penalti' to set by 'head__'. It has 'penalty'"),
        ("linear", {"head__penalty": -1}, "penalty"),
        (3, {"head__penalty": 1}, "head must be"),
    ],
)
def test_fields_that_cannot_be_set(head, change, message):
    with pytest.raises(InvalidInputError, match=message):
        Classifier(head=head).set_params(**change)
