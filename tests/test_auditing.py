"""An audit finds what was planted, where it was planted, and nothing in clean data."""

import csv
import io
import re
from functools import lru_cache
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image, ImageDraw

import transferkit
from transferkit import audit
from transferkit.auditing import _alignment, _duplicates
from transferkit.auditing._findings import share
from transferkit.errors import InvalidInputError


@lru_cache(512)
def scene(seed, size=(120, 90)):
    """A drawn picture with light and detail of its own."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(40, 215, (4, 5, 3), dtype=np.uint8))
    picture = coarse.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        w, h = rng.integers(4, 25, 2)
        draw.ellipse([int(x), int(y), int(x + w), int(y + h)], fill=tuple(rng.integers(0, 255, 3).tolist()))
    return picture


def write(folder, pictures, kind="png", **options):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, picture in enumerate(pictures):
        paths.append(folder / f"{'abcdefghij'[i // 10 % 10]}{'klmnopqrst'[i % 10]}.{kind}")
        picture.save(paths[-1], **options)
    return paths


def changed(picture):
    """The six changes of benchmarks/near_duplicates.py, in short."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=50)
    w, h = picture.size
    marked = picture.rotate(3)
    ImageDraw.Draw(marked).text((10, h // 2), "SAMPLE", "white", font_size=w // 8)
    return {
        "saved again": Image.open(stream).convert("RGB"),
        "resized": picture.resize((w * 6 // 10, h * 6 // 10)),
        "cropped": picture.crop((w // 20, 0, w - 3, h - h // 12)),
        "mirrored": picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "brighter": picture.point(lambda value: min(255, value * 5 // 4 + 10)),
        "marked": marked,
    }


@pytest.fixture
def scenes(tmp_path):
    return write(tmp_path / "scenes", [scene(seed) for seed in range(24)])


LABELS = ["cat", "dog"] * 12


def rows_of(report, kind):
    return [(finding.part, finding.index) for finding in report.check(kind).findings]


# Duplicates


def test_the_same_content_is_found_within_and_across(tiny, scenes, tmp_path):
    twin = tmp_path / "twin.png"
    twin.write_bytes(scenes[3].read_bytes())
    report = audit([*scenes, twin], test=[scenes[5], *write(tmp_path / "t", [scene(99)])], **tiny)
    assert rows_of(report, "duplicate") == [("train", 24)]
    (finding,) = report.check("duplicate").findings
    assert (finding.path, finding.other_index, finding.other_path) == (str(twin), 3, str(scenes[3]))
    (across,) = report.check("duplicate_across").findings
    assert (across.part, across.index, across.other_part, across.other_index) == ("test", 0, "train", 5)
    assert report.check("duplicate_across").severity == "error"
    assert report.checks[0].kind == "duplicate_across"  # the gravest first
    assert report.check("near_duplicate").severity == report.check("near_duplicate_across").severity == "fine"
    assert report.groups[24] == report.groups[3]
    assert len(set(report.groups.tolist())) == 24


@pytest.mark.parametrize("change", changed(scene(0)))
def test_changed_pictures_are_near_duplicates_of_the_right_ones(tiny, scenes, tmp_path, change):
    copies = write(tmp_path / "copies", [changed(scene(seed))[change] for seed in (2, 11)])
    report = audit([*scenes, copies[0]], test=[copies[1]], **tiny)
    (within,) = report.check("near_duplicate").findings
    (across,) = report.check("near_duplicate_across").findings
    assert (within.index, within.other_index, across.index, across.other_index) == (24, 2, 0, 11)
    sure = "error" if across.score >= 0.85 else "warning"
    assert sure == across.severity == report.check("near_duplicate_across").severity
    assert ("mirrored" in within.what) == (change == "mirrored")
    assert ("cropped" in within.what) == (change in ("cropped", "marked"))
    assert len(report.pairs.first) == 2


def test_an_unsure_duplicate_across_is_no_error(tiny, scenes, tmp_path):
    rest = Image.blend(scene(7), scene(60), 0.45)
    check = audit(scenes, test=write(tmp_path / "t", [rest]), **tiny).check("near_duplicate_across")
    assert [one.other_index for one in check.findings] == [7]
    assert 0.75 <= check.findings[0].score < 0.85
    assert check.severity == check.findings[0].severity == "warning"


def test_the_same_pixels_in_another_format(tiny, scenes, tmp_path):
    copies = write(tmp_path / "copies", [scene(4), scene(6).point(lambda v: v ^ 1)], "bmp")
    first, second = audit([*scenes, *copies], **tiny, checks="duplicates").check("near_duplicate").findings
    assert (first.index, first.other_index, first.what) == (24, 4, "the same pixels, in another file")
    assert (second.index, second.other_index) == (25, 6)
    assert "saved again" in second.what


def test_frames_of_a_film_are_told_from_other_duplicates(tiny, scenes, tmp_path):
    still = [scene(50).point(lambda v, i=i: min(255, v + i)) for i in range(4)]
    frames = [tmp_path / f"film_{i:03}.png" for i in range(4)]
    for path, frame in zip(frames, still, strict=True):
        frame.save(path)
    copies = write(tmp_path / "copies", [scene(1).resize((80, 60))])
    check = audit([*frames, *scenes, *copies], **tiny).check("near_duplicate")
    assert len(check.findings) == 4
    assert "Of these, 3 are of one series by their names" in check.summary


def test_different_pictures_in_the_same_light_are_no_duplicates(tiny, tmp_path):
    light = scene(0).resize((8, 6)).resize((120, 90), Image.Resampling.BICUBIC)
    paths = write(tmp_path / "x", [Image.blend(light, scene(seed), 0.5) for seed in range(1, 13)])
    assert len(audit(paths, **tiny, checks="duplicates").pairs.first) == 0


def test_an_alignment_finds_the_map():
    rng = np.random.default_rng(0)
    big = np.asarray(scene(5, (160, 160)).convert("L"))
    still = np.asarray(Image.fromarray(big).resize((64, 64), Image.Resampling.BILINEAR))
    part = np.asarray(Image.fromarray(big).resize((64, 64), Image.Resampling.BILINEAR, (12, 4, 156, 148)))
    other = rng.integers(0, 255, (64, 64)).astype(np.uint8)
    fit = _alignment.fit_pairs(np.stack([still, part, other]), np.stack([still] * 3))
    assert fit.detail[0] > 0.999
    assert fit.moved[0] < 1e-3
    assert fit.detail[1] > 0.95
    # The left edge moves in by 12 of 160 pixels, the right one by 4; of each corner, the larger of both axes.
    assert fit.moved[1] == pytest.approx(np.mean([12, 12, 4, 12]) / 144, abs=0.015)
    assert fit.detail[2] < 0.3


def test_candidates_across_a_split_are_looked_for_there():
    """An image of the test has more near neighbours within the test than are looked at."""
    vectors = np.array([[1, 0.3], [0, 1], *[[1, i / 100] for i in range(12)]], np.float32)
    first, second = _duplicates._candidates(vectors, np.arange(14), n_train=2)
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    assert {(row, 0) for row in range(2, 14)} <= pairs


def test_one_picture_with_two_labels(tiny, scenes, tmp_path):
    twin = tmp_path / "twin.png"
    twin.write_bytes(scenes[0].read_bytes())
    paths, labels = (
        [*scenes, twin, *write(tmp_path / "c", [changed(scene(1))["resized"]])],
        [*LABELS, "dog", "cat"],
    )
    check = audit(paths, labels, **tiny, checks="duplicates").check("two_labels")
    found = [(one.severity, one.index, one.label, one.other_index, one.other_label) for one in check.findings]
    assert found == [("error", 24, "dog", 0, "cat"), ("warning", 25, "cat", 1, "dog")]
    agreed = audit(paths, [*LABELS, "cat", "dog"], **tiny, checks="duplicates")
    assert agreed.check("two_labels").severity == "fine"


def test_a_label_of_the_test_only_says_that_a_pair_disagrees(tiny, scenes):
    check = audit(scenes, LABELS, test=([scenes[0]], ["dog"]), **tiny, checks="duplicates").check(
        "two_labels"
    )
    assert [(one.part, one.label, one.other_label) for one in check.findings] == [("test", "dog", "cat")]


# Files


def test_bad_images_are_named_and_do_not_stop_the_others(tiny, scenes, tmp_path):
    cut = tmp_path / "cut.png"
    cut.write_bytes(scenes[0].read_bytes()[:300])
    blurred = scene(50).resize((6, 5)).resize((120, 90), Image.Resampling.BICUBIC)
    bad = [cut, *write(tmp_path / "bad", [scene(40, (20, 7)), Image.new("RGB", (80, 60), "grey"), blurred])]
    report = audit([*bad, *scenes], **tiny)
    for i, kind in enumerate(["unreadable", "tiny", "blank", "blurred"]):
        assert rows_of(report, kind) == [("train", i)], kind
    assert "PNG" in report.check("unreadable").findings[0].what
    assert np.isnan(report.facts["width"][0])
    assert report.facts["width"][1] == 20


def test_files_are_summed_up_by_class(tiny, scenes, tmp_path):
    grey = write(
        tmp_path / "grey", [scene(seed, (60, 60)).convert("L") for seed in range(30, 34)], "jpg", quality=40
    )
    report = audit([*scenes, *grey], [*LABELS, *["x-ray"] * 4], **tiny, checks="files")
    assert report.files.rows[-1] == ["train", "x-ray", "4", "60x60", "60x60 to 60x60", "4 JPEG", "4 L"]
    assert report.facts["quality"][24] == pytest.approx(40, abs=3)
    assert report.facts["bytes_per_pixel"][24] == grey[0].stat().st_size / 3600


def test_files_are_looked_at_without_a_backbone(engine, tiny, scenes):
    audit(scenes, LABELS, **tiny, checks=["files", "classes"])
    assert engine.calls == 0


def test_each_image_goes_through_the_backbone_once_and_is_cached(engine, tiny, scenes):
    audit(scenes, LABELS, **tiny, checks="duplicates")
    assert engine.images == 48  # with its mirror image
    transferkit.Classifier(**tiny).plan_extraction(LABELS)[0].extract(scenes)
    audit(scenes, LABELS, **tiny, checks="duplicates")
    assert engine.images == 48 + 24


# Classes


def test_small_and_unknown_classes(tiny, scenes):
    labels = ["cat"] * 22 + ["dog"] * 2
    report = audit(scenes, labels, test=(scenes[:2], ["dog", "fox"]), **tiny, checks="classes")
    assert [one.label for one in report.check("class_balance").findings if one.part == "train"] == ["dog"]
    assert [one.label for one in report.check("unknown_class").findings] == ["fox"]
    assert audit(scenes * 2, LABELS * 2, **tiny, checks="classes").check("class_balance").severity == "fine"


# The report


class Pictures(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


@pytest.fixture
def report(tiny, scenes, tmp_path):
    folder = tmp_path / "<b>&"
    folder.mkdir()
    twin = folder / "twin.png"
    twin.write_bytes(scenes[3].read_bytes())
    return audit(
        [*scenes, twin], [*LABELS, "<script>"], test=[scenes[5]], **tiny, checks=["duplicates", "files"]
    )


def test_a_report_is_a_table_sorted_by_severity(report):
    text = str(report)
    order = [text.index(f"{word}  ") for word in ("duplicate_across", "two_labels", "duplicate  ")]
    assert order == sorted(order)
    assert "1 of 25 images to train on (4 %) repeat another byte for byte." in text
    assert "Nothing found:" in text
    assert "&lt;script&gt;" in report._repr_html_()


def test_rows_frame_and_csv_hold_all_findings(report, tmp_path):
    report.to_csv(tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(newline="", encoding="utf-8-sig") as stream:
        read = list(csv.DictReader(stream))
    assert [row["kind"] for row in read] == [finding.kind for finding in report.findings]
    assert len(read) == 3
    assert read[0]["other_path"] == report.findings[0].other_path
    pytest.importorskip("pandas")
    assert report.to_frame()["index"].tolist() == [finding.index for finding in report.findings]


def test_the_page_is_whole_and_escapes_names(report, tmp_path):
    report.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    parser = Pictures()
    parser.feed(page)
    pictures = [attributes["src"] for tag, attributes in parser.tags if tag == "img"]
    assert len(pictures) == 6  # two for each of three pairs
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert not re.search(r"https?://|<script|<b>", page)
    assert "&lt;b&gt;&amp;" in page


def test_a_check_that_was_not_made_is_an_error(report):
    with pytest.raises(
        InvalidInputError, match=r"kind must be a check that was made: .*duplicate.* Got 'outlier'"
    ):
        report.check("outlier")


# What goes in


def test_folders_with_and_without_classes(tiny, tmp_path):
    for name in ("cat", "dog"):
        write(tmp_path / "photos" / name, [scene(seed) for seed in range({"cat": 0, "dog": 5}[name], 9)])
    report = audit(tmp_path / "photos", test=tmp_path / "photos" / "dog", **tiny, checks="duplicates")
    assert (report.n_train, report.n_test, report.classes.tolist()) == (13, 4, ["cat", "dog"])
    assert len(report.check("two_labels").findings) >= 4
    assert report.labels[-1] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"checks": ["files", "colour"]},
            "checks must be some of .*'classes', or None for all. Got 'colour'",
        ),
        ({"checks": 3}, "checks must be some of .* Got 3"),
        ({"checks": []}, r"checks must be some of .* Got \[\]"),
        ({"checks": [["files"]]}, r"checks must be some of .* Got \['files'\]"),
        ({"backbone": "precomputed"}, "backbone must be one that sees images.* Got 'precomputed'"),
        ({"y": ["cat"]}, "y has 1 rows but X has 24 images"),
        ({"groups": [1, 2]}, "groups has shape"),
        ({"test": ([], [], [], [])}, "test must be .* Got a tuple of 4"),
        ({"test": (["a.png"], ["cat", "dog"])}, "test: y has 2 rows"),
        ({"y": LABELS, "test": (["a.png"], [0.5])}, "test has values and y has classes"),
        ({"seed": -1}, "seed must be"),
        ({"confidence": 2}, "confidence must be"),
    ],
)
def test_what_cannot_be_used_is_an_error(tiny, scenes, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        audit(scenes, **{**tiny, **arguments})


def test_shares_do_not_claim_more_than_there_is():
    assert [share(*each) for each in ((1, 2000), (1999, 2000), (0, 5), (5, 5), (1, 8), (1, 3))] == [
        "under 0.1 %", "over 99.9 %", "0 %", "100 %", "12.5 %", "33.3 %",
    ]  # fmt: skip


def test_keypoints_and_numbers_are_audited_without_labels(tiny, scenes):
    report = audit(
        scenes, np.zeros((24, 8)) + np.arange(24)[:, None] / 3, **tiny, checks=["duplicates", "files"]
    )
    assert report.classes is None
    assert "two_labels" not in [check.kind for check in report.checks]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_images(tiny, scenes, n):
    for labels in (None, ["a"] * n, [True, False, True][:n], np.arange(n)):
        report = audit(scenes[:n], labels, test=scenes[5:6], **tiny)
        assert report.n_train == n
        assert {check.severity for check in report.checks} <= {"fine", "warning", "note"}


def test_any_form_of_images_and_labels(tiny, scenes):
    arrays = [np.asarray(Image.open(path)) for path in scenes]
    report = audit([arrays[0] / 255, scenes[0].read_bytes(), Image.open(scenes[1]), *arrays[2:8]], **tiny)
    assert rows_of(report, "near_duplicate") == [("train", 1)]  # the same pixels, in another form
    assert report.check("near_duplicate").findings[0].what.startswith("the same pixels")
    assert report.facts["format"].tolist()[:3] == ["array", "PNG", "PNG"]
    sets = audit([scenes[0], scenes[0], scenes[1]], [["x", "y"], ["x"], []], **tiny, checks="duplicates")
    assert sets.check("two_labels").findings[0].label == "x"
    assert sets.check("two_labels").findings[0].other_label == "x, y"


def test_files_of_which_none_can_be_read(tiny, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    report = audit([bad, bad], ["a", "b"], **tiny, checks=["files", "classes", "shortcut"])
    assert len(report.check("unreadable").findings) == 2
    with pytest.raises(InvalidInputError, match="cannot be read"):
        audit([bad, bad], **tiny)


def test_the_threshold_is_the_one_that_the_page_names():
    page = (transferkit.__path__[0] + "/../docs/audit.md").replace("//", "/")
    with open(page, encoding="utf-8") as stream:  # noqa: PTH123
        assert f"{_duplicates.SAME_DETAIL}" in stream.read()
