"""One page on a model: everything is on it, embedded and escaped."""

from html.parser import HTMLParser

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.conftest import make_pictures
from transferkit import Classifier, ImageRegressor, KeypointRegressor, report
from transferkit.errors import InvalidInputError


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.tags, self.ids, self.alts, self.sources = set(), [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.add(tag)
        self.ids += [named["id"]] if "id" in named else []
        if tag == "img":
            self.alts.append(named["alt"])
            self.sources.append(named["src"])


@pytest.fixture(autouse=True)
def closed():
    plt.close("all")  # of other tests
    yield
    assert plt.get_fignums() == []


def test_a_classifier_on_images_that_it_has_not_seen(tiny, tmp_path):
    paths, labels = make_pictures(tmp_path / "<i>p", 40)
    names = [{"left": "<script>alert(1)</script>", "right": "right"}[label] for label in labels]
    twin = tmp_path / "<i>p" / "twin.png"
    twin.write_bytes(paths[30].read_bytes())
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    clf = Classifier(**tiny).fit(paths[:20], names[:20])
    X, y = [*paths[20:], twin, bad], [*names[20:], names[30], "right"]
    made = report(clf, X, y, checks=["duplicates", "files"])
    assert len(made.images) == 21
    assert made.evaluation.figures["accuracy"].value == clf.score(X[:21], y[:21])
    assert "Test" in made.card.to_dict()
    made.to_html(tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert page.ids == ["card", "pictures", "map", "audit"]
    assert page.alts[:5] == ["confusion matrix", "mistakes", "roc", "calibration", "map of the features"]
    assert len(page.alts) >= 7  # and the two of the pair
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not page.tags & {"script", "i", "link", "iframe"}
    with pytest.raises(InvalidInputError, match="model must be a fitted estimator of transferkit on images"):
        report("model", X, y)


def test_numbers_and_several_labels(tiny, tmp_path):
    paths, labels = make_pictures(tmp_path / "p", 30)
    reg = ImageRegressor(**tiny).fit(paths[:20], np.arange(20.0))
    report(reg, paths[20:], np.arange(10.0), checks=[]).to_html(tmp_path / "r.html")
    assert Page(tmp_path / "r.html").alts == ["values", "map of the features"]
    sets = [[label, "even"] if i % 4 == 0 else [label] for i, label in enumerate(labels)]
    clf = Classifier(**tiny).fit(paths[:20], sets[:20])
    made = report(clf, paths[20:], sets[20:], checks=[])
    assert set(made.labels) == {"left", "right", "even, left"}
    assert made.audit is None


def test_keypoints_show_expected_errors_where_they_are_known(tiny, tmp_path):
    paths, _ = make_pictures(tmp_path / "p", 40)
    points = np.random.default_rng(0).uniform(5, 25, (40, 5, 2))
    kp = KeypointRegressor(**tiny, head="linear", refine=0).fit(paths[:30], points[:30])
    assert kp.predictor_.expected_error is not None
    report(kp, paths[30:], points[30:], checks=["duplicates"]).to_html(tmp_path / "r.html")
    alts = Page(tmp_path / "r.html").alts
    assert alts[:4] == ["error curve", "keypoints", "expected error", "map of the features"]
