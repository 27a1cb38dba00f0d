"""An audit of labels, series and shortcuts: what was planted is found, and chance is called chance."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.test_auditing import scene, write
from transferkit import audit
from transferkit.auditing._labels import doubtful
from transferkit.auditing._names import guess_series
from transferkit.auditing._outliers import far_away
from transferkit.auditing._shortcut import check_shortcut

RNG = np.random.default_rng(0)


# Labels


def test_labels_are_doubted_where_another_class_is_as_likely_as_in_that_class():
    given = np.array([0] * 4 + [1] * 4)
    probabilities = np.array([0.9, 0.8, 0.44, 0.09, 0.2, 0.3, 0.4, 0.9])
    probabilities = np.stack([probabilities, 1 - probabilities], axis=1)
    # Means of the own label: 0.5575, 0.55. Row 2 has 0.56 of class 1, row 3 0.91 of it, row 7 0.9 of class 0.
    doubts = doubtful(probabilities, given)
    assert doubts.rows.tolist() == [3, 7, 2]
    assert doubts.suggested.tolist() == [1, 0, 1]


def test_an_unsure_class_needs_less_to_be_suggested():
    given = np.array([0, 0, 1, 1, 2])
    probabilities = np.array(
        [[0.9, 0.1, 0.0], [0.2, 0.35, 0.45], [0.1, 0.3, 0.6], [0.5, 0.3, 0.2], [0.0, 0.1, 0.9]]
    )
    # Of row 1, class 2 is likelier than its own but rarer than usual (0.9); class 1 is usual at 0.3.
    doubts = doubtful(probabilities, given)
    assert dict(zip(doubts.rows.tolist(), doubts.suggested.tolist(), strict=True))[1] == 1


def test_a_class_without_rows_is_never_suggested():
    doubts = doubtful(np.array([[0.1, 0.2, 0.7], [0.2, 0.1, 0.7]]), np.array([0, 1]))
    assert 2 not in doubts.suggested


def test_labels_that_models_know_by_chance_only_are_not_judged(tiny, tinted):
    paths, _, labels = tinted
    shuffled = np.random.default_rng(1).permutation(labels)
    check = audit(paths, shuffled, **tiny, checks=["labels"]).check("label_issue")
    assert (check.severity, check.findings) == ("note", ())
    assert "none can be judged" in check.summary


def test_agrees_with_cleanlab():
    cleanlab = pytest.importorskip("cleanlab.filter")
    given = RNG.integers(0, 3, 300)
    logits = (
        RNG.normal(size=(300, 3))
        + 2 * np.eye(3)[np.where(RNG.uniform(size=300) < 0.1, (given + 1) % 3, given)]
    )
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    theirs = cleanlab.find_label_issues(
        given, probabilities, return_indices_ranked_by="self_confidence", filter_by="confident_learning"
    )
    ours = doubtful(probabilities, given).rows
    assert len(set(ours) & set(theirs)) > 0.85 * max(len(ours), len(theirs))


@pytest.fixture
def tinted(tmp_path):
    """Pictures that are warm or cold; the labels of two are wrong."""
    labels = np.array(["warm", "cold"] * 20)
    tints = {"warm": "orange", "cold": "blue"}
    pictures = [
        Image.blend(scene(i), Image.new("RGB", (120, 90), tints[label]), 0.3)
        for i, label in enumerate(labels)
    ]
    wrong = labels.copy()
    wrong[[5, 20]] = labels[[20, 5]]
    return write(tmp_path / "tinted", pictures), wrong, labels


def test_wrong_labels_are_named_with_the_right_ones(tiny, tinted):
    paths, wrong, labels = tinted
    report = audit(paths, wrong, **tiny, checks="labels")
    found = report.check("label_issue").findings
    assert {one.index for one in found[:2]} == {5, 20}
    assert all(one.suggested == labels[one.index] and one.label == wrong[one.index] for one in found[:2])
    assert [one.score for one in found] == sorted(one.score for one in found)
    assert report.probabilities.shape == (40, 2)
    np.testing.assert_allclose(report.probabilities.sum(axis=1), 1)
    assert report.plot_label_issues(n=1).shape == (1,)


def test_a_copy_does_not_vouch_for_its_own_label(tiny, tinted, tmp_path):
    """Held out with its copies: otherwise the same picture with the same wrong label is learned from."""
    paths, wrong, _ = tinted
    with Image.open(paths[5]) as picture:
        copies = write(tmp_path / "copies", [picture.resize((90 + i, 80)) for i in range(6)])
    report = audit([*paths, *copies], [*wrong, *[wrong[5]] * 6], **tiny, checks=["duplicates", "labels"])
    assert len(set(report.groups[[5, *range(40, 46)]].tolist())) == 1
    doubted = {one.index for one in report.check("label_issue").findings}
    assert {5, *range(40, 46)} <= doubted


def test_images_that_cannot_be_read_and_rare_classes_have_no_probability(tiny, tinted, tmp_path):
    paths, _, labels = tinted
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    report = audit([broken, *paths], ["warm", "rare", *labels[1:]], **tiny, checks="labels")
    assert np.isnan(report.probabilities[:2]).all()
    assert not np.isnan(report.probabilities[2:]).any()
    assert report.classes.tolist() == ["cold", "rare", "warm"]


def test_the_test_teaches_nothing(engine, tiny, tinted):
    paths, wrong, _ = tinted
    alone = audit(paths[:30], wrong[:30], **tiny, checks="labels")
    beside = audit(paths[:30], wrong[:30], test=(paths[30:], wrong[30:]), **tiny, checks="labels")
    np.testing.assert_array_equal(alone.probabilities, beside.probabilities)


# Outliers


def test_an_outlier_is_named(tiny, tmp_path):
    base = scene(0)
    paths = write(tmp_path / "x", [base.point(lambda v, i=i: min(255, v + i)) for i in range(40)])
    odd = write(tmp_path / "odd", [Image.fromarray(RNG.integers(0, 255, (60, 60, 3), dtype=np.uint8))])
    report = audit([*paths, *odd], **tiny, checks="outliers")
    assert [one.index for one in report.check("outlier").findings][:1] == [40]


def test_distances_of_images_to_train_on_leave_themselves_out():
    vectors = np.eye(8, dtype=np.float32)[[0, 0, 0, 0, 0, 1, 0]]
    far = far_away(vectors, np.arange(6))
    assert far[0] == pytest.approx(1 / 5, abs=1e-6)  # five others: four the same, one at right angles
    assert far[5] == pytest.approx(1)
    assert far[6] == pytest.approx(0, abs=1e-6)  # an image of the test, with five the same


# Series


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Abdullah_Gul_03", "Abdullah_Gul_11", "Ann_Lee_1", "Ann_Lee_2"], [0, 0, 1, 1]),
        (["p01_frame001", "p01_frame002", "p02_frame001", "p02_frame002"], [0, 0, 1, 1]),
        (["00000061_012", "00000061_013", "00000218_000", "00000218_001"], [0, 0, 1, 1]),
        (["IMG-12", "IMG-13", "IMG-14", "IMG-15"], None),  # one name for all is a camera
        (["0001", "0002", "0003", "0004"], None),
        (["a", "b", "c", "d"], None),
        ([None] * 4, None),
    ],
)
def test_series_are_guessed_from_names(names, expected):
    # Beside others, so that a series is a small part of all.
    names = [*names, *[None if names[0] is None else f"{chr(97 + i)}x" for i in range(6)]]
    found = guess_series([name and f"x/{name}.jpg" for name in names], [])
    if expected is None:
        assert found == []
        return
    numbers = np.unique(found[0].names[:4], return_inverse=True)[1]
    assert numbers.tolist() == expected
    assert (found[0].n_series, found[0].share) == (2, 0.4)


def test_long_names_take_no_time():
    guess_series([f"{'a1' * 400}_{'9' * 300}x{i}.jpg" for i in range(50)], [])


def test_folders_below_the_classes_are_series():
    paths = [f"photos/{label}/{person}/{i}.jpg" for label in "ab" for person in "uvwxyz" for i in range(3)]
    (found,) = guess_series(paths, ["a"] * 18 + ["b"] * 18)
    assert (found.by, found.n_series, found.share) == ("folders", 12, 1.0)
    classes = [f"photos/{label}/{i}.jpg" for label in "ab" for i in range(18)]
    assert guess_series(classes, ["a"] * 18 + ["b"] * 18) == []


def series_of(folder, n_people, n_each, *, same=True):
    """Pictures of people: each moves a little, or, if names mean nothing, is another one each time."""
    folder.mkdir()
    paths = []
    for person in range(n_people):
        for i in range(n_each):
            picture = scene(person if same else 100 * person + i + 7, (96, 96))
            noise = RNG.integers(-60, 60, (96, 96, 3))
            pixels = np.clip(np.asarray(picture) * 0.5 + 60 + noise, 0, 255).astype(np.uint8)
            paths.append(folder / f"Person_{chr(65 + person)}_{i:02}.png")
            Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.mark.parametrize("same", [True, False])
def test_people_on_both_sides_are_told_with_how_sure_that_is(tiny, tmp_path, same):
    paths = series_of(tmp_path / "people", 8, 5, same=same)
    train, test = (
        [p for i, p in enumerate(paths) if i % 5 < 3],
        [p for i, p in enumerate(paths) if i % 5 >= 3],
    )
    report = audit(train, test=test, **tiny, checks="series")
    across, series = report.check("series_across"), report.check("series")
    assert len(across.findings) == 16
    assert (across.severity, series.severity) == (("error", "warning") if same else ("note", "note"))
    assert ("which is sure" in across.summary) == same
    # Only a sure guess is used as groups.
    assert len(set(report.groups.tolist())) == (8 if same else 24)


@pytest.mark.parametrize(
    ("n_large", "words"),
    [
        (6, "which is sure: of 100 % of them the most similar"),  # was likely, of 37.5 %
        (0, "which no features were compared with"),  # was of 0 %, by chance of 0 %
    ],
)
def test_classes_too_small_to_compare_do_not_count_against_series(tiny, tmp_path, n_large, words):
    paths = series_of(tmp_path / "people", 16, 2)
    labels = ["all" if i // 2 < n_large else f"class {i // 2}" for i in range(32)]
    report = audit(paths, labels, **tiny, checks="series")
    assert words in report.check("series").summary


def test_two_images_do_not_make_series_sure(tiny, tmp_path):
    """Only one of the people is in a class that is compared: its two images agree by chance."""
    paths = series_of(tmp_path / "people", 16, 2)
    labels = ["all" if i < 2 else f"class {i // 2}" for i in range(32)]
    for i in range(4):  # of no series
        paths.append(tmp_path / f"{'abcd'[i]}.png")
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (48, 48, 3), np.uint8)).save(paths[-1])
    report = audit(paths, [*labels, *["all"] * 4], **tiny, checks="series")
    assert "of which features say nothing: of 100 % of them" in report.check("series").summary


def test_groups_that_are_passed_are_checked_instead(tiny, tmp_path):
    paths = series_of(tmp_path / "people", 4, 3)
    twin = tmp_path / "twin.png"
    twin.write_bytes(paths[0].read_bytes())
    groups = [*np.repeat(["a", "b", "c", "d"], 3), "e"]
    report = audit([*paths, twin], groups=groups, test=(paths[:2], None, ["a", "z"]), **tiny)
    assert [one.index for one in report.check("group_across").findings] == [0]
    (torn,) = [one for one in report.check("torn_duplicates").findings if one.index == 12]
    assert torn.other_index == 0
    assert "series" not in [check.kind for check in report.checks]
    assert report.groups[12] == report.groups[0] == report.groups[2]


def test_groups_are_the_same_whatever_the_type_of_their_numbers(tiny, sources):
    """A table with a missing number elsewhere has numbers with a fraction of 0."""
    paths, labels = sources
    train, test = (paths[:20], labels[:20]), (paths[20:24], labels[20:24])
    for groups, other in ((np.arange(20), [3.0, 90.0, 91.0, 92.0]), (np.arange(20.0), ["3", "x", "y", "z"])):
        report = audit(*train, groups=groups, test=(*test, other), **tiny, checks=["series"])
        assert [one.index for one in report.check("group_across").findings] == [0]


@pytest.mark.slow
def test_groups_of_the_test_alone_say_nothing_of_the_images_to_train_on(tiny, sources):
    paths, labels = sources
    test = paths[::10], labels[::10], ["None"] * 6
    train = np.delete(np.arange(60), np.s_[::10])
    audits = [
        audit([paths[i] for i in train], labels[train], test=each, **tiny, checks=["series", "shortcut"])
        for each in (test[:2], test)
    ]
    without, given = audits
    assert given.groups.tolist() == without.groups.tolist() == list(range(54))
    assert given.check("shortcut") == without.check("shortcut")
    assert given.check("light") == without.check("light")
    assert "Pass groups=" in given.check("group_across").advice
    report = audit(paths, labels, groups=["None"] * 60, test=(test[0], None), **tiny, checks="series")
    assert "group_across" not in [check.kind for check in report.checks]  # those of the test are unknown


# Shortcuts


@pytest.fixture
def sources(tmp_path):
    """Sixty pictures; those of the third class are JPEG of another size."""
    pictures = [scene(seed, (80, 60)) for seed in range(40)]
    paths = write(tmp_path / "png", pictures)
    jpegs = write(tmp_path / "jpg", [scene(seed, (100 + seed % 7, 100)) for seed in range(40, 60)], "jpg")
    return [*paths, *jpegs], np.array([*["a", "b"] * 20, *["other"] * 20])


def test_the_probe_names_the_class_that_files_give_away_and_by_what(tiny, sources):
    report = audit(*sources, **tiny, checks="shortcut")
    check = report.check("shortcut")
    assert check.severity == "error"
    assert [one.label for one in check.findings] == ["other"]
    named = {name for name, auc in report.shortcut.files.by_fact["other"] if auc > 0.95}
    assert {"width", "height", "aspect", "format"} <= named
    assert report.shortcut.files.auc["other"].value > 0.99
    assert abs(report.shortcut.files.apart["a"][1].value - 0.5) < 0.2
    assert "mode" not in dict(report.shortcut.files.by_fact["other"])  # all are RGB


def test_the_probe_is_quiet_where_files_are_the_same(tiny, sources):
    paths, labels = sources
    report = audit(paths[:40], labels[:40], **tiny, checks="shortcut")
    assert report.check("shortcut").severity == "fine"
    assert report.check("light").severity == "fine"
    assert report.shortcut.files.balanced_accuracy.value == pytest.approx(0.5, abs=0.2)


def test_light_is_a_note_only(tiny, tmp_path):
    dark = [scene(seed).point(lambda v: v // 3) for seed in range(20)]
    paths = write(tmp_path / "x", [*[scene(seed) for seed in range(20, 40)], *dark])
    report = audit(paths, ["day"] * 20 + ["night"] * 20, **tiny, checks="shortcut")
    assert report.check("shortcut").severity == "fine"
    check = report.check("light")
    assert check.severity == "note"
    assert dict(report.shortcut.light.by_fact["night"])["brightness"] > 0.95


@pytest.mark.slow
def test_what_is_left_where_the_file_misleads(tiny, tmp_path):
    """Most pictures of a class are of one size: those of the other size say what a model learned."""
    pictures, labels = [], []
    for i in range(100):
        label = "ab"[i % 2]
        usual = i >= 20  # one in five has the size of the other class
        side = 64 if (label == "a") == usual else 90
        pixels = np.clip(RNG.normal(60 if label == "a" else 180, 20, (side, side, 3)), 0, 255).astype(
            np.uint8
        )
        pictures.append(Image.fromarray(pixels))
        labels.append(label)
    paths = write(tmp_path / "x", pictures)
    report = audit(paths, labels, **tiny, checks=["labels", "shortcut"])
    assert {label: n for label, (n, _) in report.shortcut.misled.items()} == {"a": 10, "b": 10}
    assert all(right == 1 for _, right in report.shortcut.misled.values())
    assert "right on 100 % of the 10 whose file misleads" in report.check("shortcut").advice


@pytest.mark.slow
def test_groups_are_held_out_whole(tiny, tmp_path):
    """Each group has a size of its own, so that sizes would give labels away if a group were torn."""
    pictures = [scene(i, (60 + i // 4, 60)) for i in range(48)]
    paths = write(tmp_path / "x", pictures)
    labels = np.repeat(RNG.permutation(["a", "b"] * 6), 4)
    groups = np.repeat(np.arange(12), 4)
    torn = audit(paths, labels, **tiny, checks="shortcut").shortcut.files.auc["b"].value
    whole = audit(paths, labels, groups=groups, **tiny, checks="shortcut").shortcut.files.auc["b"].value
    assert torn > whole + 0.1


def test_nothing_to_probe(tiny, sources):
    paths, labels = sources
    report = audit(paths[:6], labels[:6], **tiny, checks="shortcut")
    assert report.shortcut is None
    assert report.check("shortcut").summary.startswith("Fewer than two classes have 5 images:")
    report = audit(paths, labels, groups=np.arange(60) // 20, **tiny, checks="shortcut")
    assert report.shortcut is None
    assert report.check("shortcut").summary == (
        "Groups are held out whole, 5 at least, and there are 3 groups: nothing can be measured."
    )
    assert check_shortcut(SimpleNamespace(shortcut=None, data=SimpleNamespace(kind=None))) == []
