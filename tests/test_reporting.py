"""One page on a model: everything is on it, embedded and escaped."""

import base64
import io
from html.parser import HTMLParser

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tests.conftest import make_pictures
from transferkit import (
    Classifier,
    FeatureExtractor,
    ImageRegressor,
    KeypointRegressor,
    NearestImages,
    audit,
    evaluate,
    next_to_label,
    plots,
    report,
)
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_numbers_and_several_labels(tiny, tmp_path):
    paths, labels = make_pictures(tmp_path / "p", 30)
    reg = ImageRegressor(**tiny).fit(paths[:20], np.arange(20.0))
    report(reg, paths[20:], np.arange(10.0), checks=[]).to_html(tmp_path / "r.html")
    assert Page(tmp_path / "r.html").alts == ["values", "map of the features"]
    both = ImageRegressor(**tiny).fit(paths[:20], np.column_stack([np.arange(20.0), np.arange(20.0) ** 2]))
    made = report(both, paths[20:], np.column_stack([np.arange(10.0)] * 2), checks=[])
    made.to_html(tmp_path / "r.html")
    assert Page(tmp_path / "r.html").alts == ["values, output 0", "values, output 1", "map of the features"]
    ages = ImageRegressor(**tiny).fit(paths[:20], np.arange(20) // 5)
    made = report(ages, paths[20:], np.arange(10) // 5)
    assert made.audit.classes is None
    kinds = {check.kind for check in made.audit.checks}
    assert "near_duplicate" in kinds
    assert not kinds & {"label_issue", "two_labels", "class_balance", "shortcut", "light"}
    assert made.labels == [0.0] * 5 + [1.0] * 5  # on a scale
    assert all(isinstance(number, float) for number in made.labels)
    sets = [[label, "even"] if i % 4 == 0 else [label] for i, label in enumerate(labels)]
    clf = Classifier(**tiny).fit(paths[:20], sets[:20])
    made = report(clf, paths[20:], sets[20:], checks=[])
    assert set(made.labels) == {"left", "right", "even, left"}
    assert made.audit is None


@pytest.mark.slow
def test_keypoints_show_expected_errors_where_they_are_known(tiny, tmp_path):
    paths, _ = make_pictures(tmp_path / "p", 40)
    points = np.random.default_rng(0).uniform(5, 25, (40, 5, 2))
    kp = KeypointRegressor(**tiny, head="linear", refine=0).fit(paths[:30], points[:30])
    assert kp.predictor_.expected_error is not None
    report(kp, paths[30:], points[30:], checks=["duplicates"]).to_html(tmp_path / "r.html")
    alts = Page(tmp_path / "r.html").alts
    assert alts[:4] == ["error curve", "keypoints", "expected error", "map of the features"]


def colours(axes):
    """Return the mean colour of each picture that is drawn, or embedded in a page."""
    if isinstance(axes, Page):
        jpegs = [base64.b64decode(source.split(",")[1]) for source in axes.sources if "jpeg" in source]
        return [np.asarray(Image.open(io.BytesIO(jpeg))).mean(axis=(0, 1)) for jpeg in jpegs]
    shown = [ax.images[0].get_array() for ax in np.ravel(axes) if ax.images]
    boxes = [
        child for ax in np.ravel(axes) for child in ax.get_children() if isinstance(child, AnnotationBbox)
    ]
    shown += [box.offsetbox.get_data() for box in boxes]
    plt.close("all")
    return [np.asarray(pixels).mean(axis=(0, 1)) for pixels in shown]


def bluish(i, scale):
    """Noise that is brightest in blue, of two shades."""
    pixels = np.random.default_rng(i).integers(0, scale, (20, 24, 3))
    pixels[..., 2] += scale + 2 * scale * (i % 2)
    return pixels


def on_the_second_page(folder):
    """Files whose first page is red and whose second is blue; two of them come twice."""
    paths = [folder / f"{i}.tif" for i in range(24)]
    for i, path in enumerate(paths):
        second = Image.fromarray(bluish(i, 60).astype(np.uint8))
        Image.new("RGB", (24, 20), "red").save(path, save_all=True, append_images=[second])
    return [*paths, *paths[:2]]


def bands(_):
    """Arrays of seven bands, of which the fourth is blue."""
    images = [np.full((20, 24, 7), 2500, np.uint16) for _ in range(24)]
    for i, image in enumerate(images):
        image[..., 1:4] = bluish(i, 600)
    return [*images, *images[:2]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "reading"),
    [
        (on_the_second_page, {"frame": 1}),
        (bands, {"channels": (1, 2, 3), "value_range": (0, 2500)}),
    ],
)
def test_pictures_are_those_that_the_model_saw(tiny, tmp_path, make, reading):
    """They are blue as read by the model; the default would show red ones, or fail."""
    X, extractor = make(tmp_path), FeatureExtractor(**reading)
    y = np.array([*["dark", "bright"] * 12, "bright", "dark"])
    clf = Classifier(**tiny, extractor=extractor).fit(X[:16], y[:16])
    y[[20, 21]] = y[[21, 20]]
    evaluation = evaluate(clf, X[16:24], y[16:24])
    points = np.tile([[5.0, 5.0, 9.0, 9.0]], (24, 1)) + np.arange(24)[:, None] % 4
    kp = KeypointRegressor(**tiny, head="linear", extractor=extractor).fit(X[:16], points[:16])
    pipe = make_pipeline(FeatureExtractor(**tiny, **reading), LogisticRegression()).fit(X[:16], y[:16])
    found = audit(X, y, **tiny, extractor=extractor, checks=["duplicates", "labels"])
    found.to_html(tmp_path / "audit.html")
    nearest = NearestImages(**tiny, extractor=extractor).fit(X[:8]).query([X[9]], k=2)
    shown = {
        "mistakes": colours(plots.plot_mistakes(evaluation)),
        "pipeline": colours(plots.plot_mistakes(evaluate(pipe, X[16:24], y[16:24]))),
        "keypoints": colours(plots.plot_keypoints(evaluate(kp, X[16:24], points[16:24], normalizer=9.0))),
        "map": colours(plots.plot_feature_map(clf.extract(X), X, n=5)),
        "duplicates": colours(found.plot_duplicates()),
        "labels": colours(found.plot_label_issues()),
        "audit": colours(Page(tmp_path / "audit.html")),
        "to label": colours(next_to_label(clf, X[16:], n=3).plot()),
        "neighbours": colours(plots.plot_neighbours(nearest, X)),
    }
    for name, means in shown.items():
        assert means, name
        assert all(blue > red + 20 for red, _, blue in means), (name, means)
    report(clf, X[16:24], y[16:24], checks="labels").to_html(tmp_path / "report.html")
    assert "No picture of" not in (tmp_path / "report.html").read_text()
    own = [np.full((20, 24), 7, np.uint8)] * 8
    assert np.allclose(colours(plots.plot_mistakes(evaluation, images=own)), 7)  # not read as bands
