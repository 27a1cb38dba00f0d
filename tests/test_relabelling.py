"""Labels that a person corrected in a spreadsheet reach their images, and mistakes on the way are told."""

import csv

import numpy as np
import pytest

from tests.conftest import make_pictures
from transferkit import Classifier, audit, relabel
from transferkit.auditing._corrections import read_corrections
from transferkit.auditing._csv import as_cell, from_cell, write_table
from transferkit.errors import InvalidInputError

X = [f"photos/{name}.jpg" for name in "abcdef"]
Y = ["cat", "cat", "cat", "dog", "dog", "dog"]


@pytest.fixture
def table(tmp_path):
    """A function that writes a table as a spreadsheet does."""

    def write(text, encoding="utf-8-sig"):
        path = tmp_path / "corrected.csv"
        path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        return path

    return write


def test_only_filled_cells_change_labels(table):
    y = np.array(Y)
    new = relabel(table("path;label;new_label\nphotos/b.jpg;cat;dog\nphotos/c.jpg;cat;\n"), X, y)
    assert new.y.tolist() == ["cat", "dog", "cat", "dog", "dog", "dog"]
    assert new.X == X
    assert y.tolist() == Y
    (change,) = new.changes
    assert (change.index, change.path, change.before, change.after) == (1, "photos/b.jpg", "cat", "dog")
    assert (new.before, new.after) == ({"cat": 3, "dog": 3}, {"cat": 2, "dog": 4})
    assert "1 label of 6 images changed" in str(new)
    assert "photos/b.jpg  cat   dog" in str(new)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,label,new_label\nphotos/b.jpg,cat,dog\n", "utf-8"),
        ("sep=;\nPath;Label;New_Label\nphotos/b.jpg;cat; dog \n", "utf-8-sig"),
        ("path\tlabel\tnew_label\nphotos/b.jpg\tcat\tdog\n", "utf-16"),
        ("new_label;note;path\ndog;x;photos/b.jpg\n;y\n", "utf-8"),
        ("index;new_label\n1;dog\n", "utf-8"),
        ("index;new_label\n1.0;dog\n", "utf-8"),
    ],
)
def test_tables_of_spreadsheets(table, text, encoding):
    assert relabel(table(text, encoding), X, Y).y.tolist() == ["cat", "dog", "cat", "dog", "dog", "dog"]


def test_both_images_of_a_pair_and_other_spellings_of_a_path(table, tmp_path, monkeypatch):
    header = "part;path;label;new_label;other_part;other_path;other_label;other_new_label\n"
    rows = "train;./photos/a.jpg;cat;dog;train;photos/../photos/d.jpg;dog;cat\n"
    rows += "test;photos/b.jpg;cat;dog;train;photos/e.jpg;dog;cat\n"
    new = relabel(table(header + rows), X, Y)
    assert new.y.tolist() == ["dog", "cat", "cat", "cat", "cat", "dog"]
    assert relabel(table(header + rows), X, Y, part="test").y.tolist() == ["cat", "dog", *Y[2:]]
    monkeypatch.chdir(tmp_path)
    absolute = table(f"path;new_label\n{tmp_path / 'photos' / 'a.jpg'};dog\n")
    assert relabel(absolute, X, Y).y[0] == "dog"


def test_labels_keep_their_type(table):
    for y, text, expected in (
        ([0, 0, 1, 1], "path;label;new_label\nphotos/a.jpg;0.0;1,0\n", [1, 0, 1, 1]),
        ([False, True, True, True], "path;label;new_label\nphotos/a.jpg;FALSE;TRUE\n", [True] * 4),
        (["01", "02", "02", "02"], "path;label;new_label\nphotos/a.jpg;1;2\n", ["02"] * 4),
    ):
        new = relabel(table(text), X[:4], y)
        assert new.y.tolist() == expected
        assert new.y.dtype.kind == np.array(y).dtype.kind


def test_a_longer_label_is_not_cut(table):
    y = np.array(["cat", "dog"])
    new = relabel(table("path;new_label\na;elephant\n"), ["a", "b"], y, classes=["cat", "dog", "elephant"])
    assert new.y.tolist() == ["elephant", "dog"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "photos/a.jpg;cat;Dgo",
            r"row 2, photos/a.jpg: 'Dgo' is no label of y. Did you mean 'dog'\?.*classes=",
        ),
        ("photos/a.jpg;dog;bird", r"'bird' is no label of y. Labels are 'cat' and 'dog'"),
        ("photos/d.jpg;cat;cat", None),  # already done
        ("photos/a.jpg;dog;cat", None),
        ("photos/a.jpg;bird;dog", "its label was 'bird' when the table was made, and is 'cat' in y"),
        ("photos/a.jpg;cat;dog\nphotos/a.jpg;cat;cat", "rows 2 and 3, photos/a.jpg: 'dog' and 'cat'"),
        ("photos/z.jpg;cat;dog", "none of the 1 image .* in X; the first is 'photos/z.jpg'"),
        (";cat;dog", "neither path nor index"),
    ],
)
def test_mistakes_are_told(table, text, message):
    path = table(f"path;label;new_label\n{text}\n")
    if message is None:
        y = [Y[0], *Y[1:3], "cat", *Y[4:]]
        assert relabel(path, X, y).changes == []
        assert "as before" in str(relabel(path, X, y))
    else:
        with pytest.raises(InvalidInputError, match=message):
            relabel(path, X, Y)


def test_a_table_without_the_columns_is_refused(table):
    for text in ("path;label\na;cat\n", "new_label\ndog\n", ""):
        with pytest.raises(InvalidInputError, match="must have a header with 'new_label'"):
            relabel(table(text), X, Y)
    with pytest.raises(InvalidInputError, match="index '-1'"):
        relabel(table("index;new_label\n-1;dog\n"), X, Y)
    with pytest.raises(InvalidInputError, match="y must have one label for each image. Got values"):
        relabel(table("path;new_label\na;dog\n"), X, np.linspace(0, 1, 6))
    with pytest.raises(InvalidInputError, match="part must be"):
        relabel(table("path;new_label\na;dog\n"), X, Y, part="validation")


def test_some_images_that_are_not_there_are_counted(table):
    new = relabel(table("path;new_label\nphotos/a.jpg;dog\nelsewhere.jpg;dog\n"), X, Y)
    assert new.unknown == ["elsewhere.jpg"]
    assert "1 image of the table not in X: elsewhere.jpg" in str(new)


def test_without_labels_those_of_the_table_are_returned(table):
    path = table("path;new_label\nphotos/c.jpg;dog\nphotos/a.jpg;cat\nphotos/b.jpg;\n")
    new = relabel(path, X, classes=["cat", "dog"])
    assert (new.X, new.y.tolist(), new.rows.tolist()) == ([X[0], X[2]], ["cat", "dog"], [0, 2])
    with pytest.raises(InvalidInputError, match="Did you mean 'cat'"):
        relabel(table("path;new_label\nphotos/c.jpg;cet\n"), X, classes=["cat", "dog"])


def test_an_audit_is_corrected_and_learned(tiny, tmp_path, caplog):
    """The whole loop on a folder of classes: audit, correct in a table, fit again from the cache."""
    paths, labels = make_pictures(tmp_path / "flat", 40)
    for i, (path, label) in enumerate(zip(paths, labels, strict=True)):
        if i == 4:
            label = "right" if label == "left" else "left"
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    found = audit(tmp_path / "photos", checks=["labels"], **tiny)
    assert [finding.label for finding in found.check("label_issue").findings[:1]] == ["right"]
    found.to_csv(tmp_path / "found.csv", kinds="label_issue")
    with (tmp_path / "found.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["kind"] for row in rows} == {"label_issue"}
    rows[0]["new_label"] = rows[0]["suggested"]
    with (tmp_path / "corrected.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    new = relabel(tmp_path / "corrected.csv", tmp_path / "photos")
    assert [change.after for change in new.changes] == ["left"]
    clf = Classifier(**tiny).fit(new.X, new.y)
    assert clf.report_.n_decoded == 0
    assert clf.predict(new.changes[0].path) == ["left"]


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "-cmd", "+x", "\tx"])
def test_a_formula_is_written_as_text_and_read_back(tmp_path, text):
    assert from_cell(as_cell(text)) == text
    write_table(tmp_path / "t.csv", ["path", "new_label"], [{"path": text, "new_label": text}])
    assert f"'{text},'{text}" in (tmp_path / "t.csv").read_text("utf-8-sig").replace('"', "")


def test_files_of_any_name_are_found(tmp_path):
    """Blanks at the ends belong to a name, and so does an apostrophe before what looks like a formula."""
    names = [" lead.png", "trail.png ", "=cmd.png", "'=cmd.png", "''-x.png", "+1.png", "@x.png", "lead.png"]
    for i, name in enumerate(names):
        write_table(tmp_path / "t.csv", ["path", "new_label"], [{"path": name, "new_label": "dog"}])
        new = relabel(tmp_path / "t.csv", names, ["cat"] * 7 + ["dog"])
        assert [change.index for change in new.changes] == ([i] if i < 7 else [])
        assert new.unknown == []
    typed = "path,new_label\n  trail.png  ,dog\n'-x.png,dog\n=cmd.png,dog\n"
    (tmp_path / "t.csv").write_text(typed, encoding="utf-8")
    new = relabel(tmp_path / "t.csv", ["trail.png", "'-x.png", "=cmd.png", "b.png"], ["cat"] * 3 + ["dog"])
    assert [change.index for change in new.changes] == [0, 1, 2]


def test_numbers_and_apostrophes_stay_as_they_are(tmp_path):
    for value in ("-1", "+2.5", "'tis", "a=b", 3, None):
        assert as_cell(value) == value
    assert from_cell("'tis") == "'tis"
    path = tmp_path / "=odd.png"
    (tmp_path / "t.csv").write_text(f"path,new_label\n'{path.name},'=new\n", encoding="utf-8")
    (correction,) = read_corrections(tmp_path / "t.csv")
    assert (correction.path, correction.new) == ("=odd.png", "=new")
