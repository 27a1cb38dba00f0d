"""A model card says what was recorded, the same after save and load, and escapes what it says."""

from html.parser import HTMLParser

import numpy as np
import pytest

from tests.conftest import TINY, make_pictures
from transferkit import Classifier, ImageRegressor, KeypointRegressor, audit, evaluate, load
from transferkit.cards._data import digest_of
from transferkit.cards._markdown import escaped
from transferkit.errors import InvalidInputError, ModelFileError, NotFittedError
from transferkit.estimators._training_record import rebuild_training
from transferkit.persistence._file import read_model, write_model
from transferkit.tasks import Classes

RNG = np.random.default_rng(0)


@pytest.fixture
def fitted(tiny, pictures, tmp_path):
    paths, labels = pictures
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    names = [{"left": "<b>|left*", "right": "right"}[label] for label in labels]
    groups = [i // 2 for i in range(len(paths) + 1)]
    weight = np.r_[0, np.ones(len(paths))]
    clf = Classifier(**tiny).fit([*paths, bad], [*names, "right"], groups=groups, sample_weight=weight)
    return clf, paths, names


def facts(card, title):
    return card.to_dict()[title]["facts"]


def test_the_card_says_what_was_learned_from(fitted):
    clf, _, _ = fitted
    card = clf.card()
    data = facts(card, "Training data")
    assert data["Images"] == "59"
    assert data["Groups"] == "30"
    assert data["Left out, unreadable"] == "1 empty"
    assert data["Left out, of weight 0"] == "1"
    assert data["Different contents"] == "59"
    assert data["Digest of the contents"].endswith(digest_of(clf.trained_on_[::-1]))
    (table,) = card.to_dict()["Training data"]["tables"]
    assert table[1:] == [["<b>|left*", "29", "49.2%"], ["right", "30", "50.8%"]]
    model = facts(card, "Model")
    assert model["Answers"] == "one of 2 classes: <b>|left*, right"
    assert model["Backbone"] == "tiny"
    held = card.to_dict()["Held-out training images"]
    assert held["facts"]["Images"].startswith(
        "59, each judged by a model that had seen neither it nor any of its group"
    )
    accuracy = next(row for row in held["tables"][0] if row[0] == "accuracy")
    chances = clf.held_out_.probabilities(clf.predictor_.task)
    assert float(accuracy[1]) == pytest.approx((chances.argmax(1) == clf.held_out_.targets).mean(), abs=5e-4)
    assert facts(card, "Decisions")["Calibration"] == "calibrate='auto'"
    limits = " ".join(card.to_dict()["Limits"]["notes"])
    assert "learned from 59 images" in limits
    assert "No figures of a test" in limits
    assert "not audited" in limits
    assert "Groups were not given" not in limits


def test_limits_depend_on_what_is_known(tiny, pictures):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths[:30], labels[:30])
    found = audit(paths[:30], labels[:30], checks=["files"], **tiny)
    card = clf.card(evaluation=evaluate(clf, paths[20:], labels[20:]), audit=found)
    sections = card.to_dict()
    assert "trained on 10 of these images" in sections["Test"]["notes"][0]
    assert sections["Audit of the training data"]["notes"][0].startswith("Audit of 30 images")
    limits = " ".join(sections["Limits"]["notes"])
    assert "Groups were not given" in limits
    assert "The test has images that the model was trained on" in limits
    assert "fewer than 20 images were there: left (15), right (15)" in limits
    assert "not audited" not in limits
    for wrong in ({"evaluation": 0.9}, {"audit": "fine"}):
        with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))} must be what"):
            clf.card(**wrong)
    with pytest.raises(NotFittedError):
        Classifier(**tiny).card()


def test_save_writes_the_card_and_load_knows_it(fitted, tmp_path):
    clf, _, _ = fitted
    clf.save(tmp_path / "model.safetensors", card=True)
    text = (tmp_path / "model.md").read_text(encoding="utf-8")
    assert text == clf.card().to_markdown()
    assert load(tmp_path / "model.safetensors", backbone=TINY).card().to_dict() == clf.card().to_dict()
    assert r"&lt;b&gt;\|left\*" in text
    clf.save(tmp_path / "other.safetensors")
    assert not (tmp_path / "other.md").exists()
    with pytest.raises(InvalidInputError, match="card must be True or False"):
        clf.save(tmp_path / "other.safetensors", card="yes")


def test_what_somebody_added_to_a_card_is_kept(fitted, tmp_path):
    clf, _, _ = fitted
    model, card = tmp_path / "model.safetensors", tmp_path / "model.md"
    card.touch()
    clf.save(model, card=True)
    card.write_bytes(card.read_bytes().replace(b"\n", b"\r\n"))  # as git may
    clf.save(model, card=True)
    written, saved = card.read_text(encoding="utf-8"), model.stat().st_mtime_ns
    assert written == clf.card().to_markdown()
    changed = [
        f"{written}\nLicence: CC BY\n",
        written.replace("Limits", "Limits of it"),
        "My notes on the model",
    ]
    for text in changed:
        card.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInputError, match="would be replaced.* Move or delete it"):
            clf.save(model, card=True)
        with pytest.raises(InvalidInputError, match="would be replaced"):
            clf.card().to_markdown(card)
        assert card.read_text(encoding="utf-8") == text
    assert model.stat().st_mtime_ns == saved  # nothing is written by halves


def test_a_model_without_a_record_still_loads_and_a_false_record_does_not(fitted, tmp_path):
    clf, _, _ = fitted
    path = tmp_path / "model.safetensors"
    clf.save(path)
    tensors, document = read_model(path)
    record = document.pop("training")
    kept = {name: array for name, array in tensors.items() if not name.startswith("training.")}
    write_model(path, kept, document)
    old = load(path, backbone=TINY)
    assert old.training_ is None
    assert "earlier version" in old.card().to_markdown()
    for wrong in (
        {"n_images": -1},
        {"n_images": 1},
        {"date": "<script>"},
        {"left_out": {"x": "y"}},
        {"a": 1},
    ):
        write_model(path, tensors, {**document, "training": {**record, **wrong}})
        with pytest.raises(ModelFileError):
            load(path, backbone=TINY)
    task = Classes(np.array(["a", "b", "c"]))
    with pytest.raises(ValueError, match="counts"):
        rebuild_training(clf.training_.tensors(), clf.training_.facts(), task)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)


def test_the_page_is_whole_and_names_are_escaped(fitted, tmp_path):
    clf, _, _ = fitted
    page = clf.card().to_html(tmp_path / "card.html")
    assert (tmp_path / "card.html").read_text(encoding="utf-8") == page
    parser = Tags()
    parser.feed(page)
    assert {"h1", "h2", "table", "dl"} <= parser.tags
    assert not parser.tags & {"b", "script", "link"}
    assert "&lt;b&gt;|left*" in page
    assert clf.card()._repr_markdown_().startswith("# Model card: Classifier on tiny")
    assert "TRAINING DATA" in str(clf.card())


def test_markdown_of_names_is_no_markup():
    assert escaped("a|b\n# c_d [e](f) `g` <i>") == r"a\|b \# c\_d \[e\](f) \`g\` &lt;i&gt;"


def test_numbers_and_keypoints(tiny, tmp_path):
    paths, _ = make_pictures(tmp_path / "p", 24)
    reg = ImageRegressor(**tiny).fit(paths, np.linspace(3, 9, 24))
    card = reg.card()
    assert card.to_dict()["Training data"]["tables"][0][1] == ["output 0", "24", "3", "9"]
    assert "no numbers beyond" in card.to_markdown()
    points = RNG.uniform(5, 25, (24, 3, 2))
    points[0, 1] = np.nan
    kp = KeypointRegressor(**tiny, head="linear", refine=0).fit(paths, points)
    card = kp.card()
    assert facts(card, "Model")["Answers"] == "3 keypoints in an image, in pixels"
    assert "unless predict(max_novelty=...)" in str(card)
    assert card.to_dict()["Training data"]["tables"][0][2] == ["1", "23", "95.8%"]
    kp.save(tmp_path / "kp.safetensors")
    assert load(tmp_path / "kp.safetensors", backbone=TINY).card().to_dict() == card.to_dict()


def test_features_of_the_caller(tmp_path):
    X = RNG.normal(size=(40, 5)) + np.repeat([[0], [2]], 20, axis=0)
    clf = Classifier("precomputed").fit(X, np.repeat(["a", "b"], 20))
    card = clf.card(evaluation=evaluate(clf, X, np.repeat(["a", "b"], 20)))
    assert facts(card, "Model")["Input"] == "features that the caller makes, 5 for each image"
    assert "Digest of the contents" not in facts(card, "Training data")
    sets = Classifier("precomputed", threshold=0.3).fit(X, [["a"]] * 20 + [["b"], ["a", "b"]] * 10)
    assert "a 0.3, b 0.3" in facts(sets.card(), "Decisions")["Thresholds"]
