"""Readers of keypoints: a file in the real layout, there and back, and what a broken one gets."""

import gc
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transferkit import datasets
from transferkit.datasets import KeypointTable, read_keypoints
from transferkit.errors import InvalidInputError, MissingDependencyError
from transferkit.keypoints import mirror_pairs_by_name

NAN = np.nan


def picture(path, width=60, height=40):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)
    return path


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


# --------------------------------------------------------------------------- the table


def test_table_unpacks_and_is_cut_by_rows():
    table = KeypointTable(["a", "b"], np.ones((2, 1, 2)), groups=np.array(["g", "h"]), boxes=np.ones((2, 4)))
    paths, keypoints = table
    assert (paths, keypoints) == (table.paths, table.keypoints)
    lists = KeypointTable(table.paths, table.keypoints.tolist())
    np.testing.assert_array_equal(lists.take([1]).keypoints, table.keypoints[1:])
    part = table.take([False, True])
    assert [path.name for path in part.paths] == ["b"]
    assert (part.groups.tolist(), part.boxes.shape) == (["h"], (1, 4))
    assert table.with_keypoints([[1, 2], [3, 4]]).keypoints.tolist() == [[1, 2], [3, 4]]


def test_table_refuses_what_does_not_fit():
    with pytest.raises(InvalidInputError, match="2 rows but there are 1 paths"):
        KeypointTable(["a"], np.ones((2, 1, 2)))
    with pytest.raises(InvalidInputError, match="1 names but there are 2 points"):
        KeypointTable(["a"], np.ones((1, 2, 2)), names=("x",))


@pytest.mark.parametrize(
    "names",
    [
        ("left_eye", "nose", "right_eye"),
        ("eye_L", "nose", "eye_R"),
        ("LEye", "Nose", "REye"),
        ("EyeLeft", "tail", "EyeRight"),
        ("l-eye 1", "leftover", "r-eye 1"),
        ("leftear", "snout", "rightear"),
        ("l", "bright", "r"),
    ],
)
def test_mirror_pairs_are_found_by_name(names):
    assert mirror_pairs_by_name(names) == ((0, 2),)


def test_names_without_a_partner_are_no_pair():
    assert mirror_pairs_by_name(["left_eye", "right_ear", "ball", "hall", "left_right"]) == ()


# --------------------------------------------------------------------------- plain CSV


@pytest.mark.parametrize(
    "content",
    [
        "file,nose_x,nose_y,ear_x,ear_y\na.jpg,1.5,2,NA,4\nb.jpg,5,6,7,8\n",
        "file;nose_x;nose_y;ear_x;ear_y\na.jpg;1,5;2;;4\nb.jpg;5;6;7;8\n",
        "file\tnose x\tnose y\tear x\tear y\na.jpg\t1,5\t2\tnan\t4\nb.jpg\t5\t6\t7\t8\n",
        "sep=;\nfile;nose.x;nose.y;ear.x;ear.y\na.jpg;1.5;2;n/a;4\nb.jpg;5;6;7;8\n",
        ",file,noseX,noseY,earX,earY\n0,a.jpg,1.5,2,NULL,4\n1,b.jpg,5,6,7,8\n",
        "x_nose,y_nose,x_ear,y_ear,image\n1.5,2,,4,a.jpg\n5,6,7,8,b.jpg\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_as_spreadsheets_write_it(tmp_path, content, encoding):
    for name in "ab":
        (tmp_path / f"{name}.jpg").touch()
    (tmp_path / "t.csv").write_bytes(content.encode(encoding))
    table = datasets.read_keypoints_csv(tmp_path / "t.csv")
    np.testing.assert_array_equal(table.keypoints, [[1.5, 2, NAN, 4], [5, 6, 7, 8]])
    assert table.names == ("nose", "ear")
    assert [path.name for path in table.paths] == ["a.jpg", "b.jpg"]


def test_csv_without_a_header_in_any_form(tmp_path):
    (tmp_path / "a.jpg").touch()
    for content in ("a.jpg,1.5,2", "a.jpg;1,5;2", "a.jpg\t1,5\t2"):
        table = datasets.read_keypoints_csv(text(tmp_path / "t.csv", content))
        assert (table.keypoints.tolist(), table.names) == ([[1.5, 2.0]], None)


def test_csv_keeps_groups_and_boxes(tmp_path):
    images = [picture(tmp_path / name) for name in ("a.png", "a.png", "b.png")]
    points = np.array([[[1, 2], [NAN, NAN]], [[3.25, 4], [5, 6]], [[7, 8], [9, 10]]])
    boxes = np.array([[0, 0, 5, 5], [NAN] * 4, [1, 2, 3, 4.5]])
    table = KeypointTable(
        images, points, names=("l_eye", "r_eye"), groups=np.array(["1", "1", "2"]), boxes=boxes
    )
    datasets.write_keypoints_csv(table, tmp_path / "t.csv")
    back = datasets.read_keypoints_csv(tmp_path / "t.csv")
    np.testing.assert_array_equal(back.keypoints, points.reshape(3, 4))
    np.testing.assert_array_equal(back.boxes, boxes)
    assert (back.groups.tolist(), back.names, back.paths) == (["1", "1", "2"], table.names, images)
    assert back.mirror_pairs == ((0, 1),)


@pytest.mark.parametrize("name", ["write_keypoints_csv", "write_coco_keypoints", "write_deeplabcut"])
def test_a_table_without_rows_is_written_with_its_names(tmp_path, name):
    table = KeypointTable(["a.png"], np.ones((1, 2, 2)), names=("nose", "tail"))
    getattr(datasets, name)(table.take([]), tmp_path / "none")
    assert "tail" in (tmp_path / "none").read_text()


@pytest.mark.parametrize("name", ["write_keypoints_csv", "write_coco_keypoints", "write_deeplabcut"])
def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path, monkeypatch, name):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    table = KeypointTable([tmp_path / "a.png"], np.ones((1, 1, 2)))
    (tmp_path / "labels").write_text("a day's work")

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left on device: .*labels"):
        getattr(datasets, name)(table, tmp_path / "labels")
    assert (tmp_path / "labels").read_text() == "a day's work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "labels"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file;x0;y0\na.jpg;1.000,5;2\n", r"row 2 \(a.jpg\), column 2: '1.000,5' is not a finite number"),
        ('file,x0,y0\na.jpg,"1,5",2\n', "'1,5' is not a finite number"),
        ("file,x0,y0\na.jpg,1_2,2\n", "'1_2' is not a finite number"),
        ("file,nose_y,nose_x\na.jpg,1,2\n", "x and then y. Got 'nose_y' and then 'nose_x'"),
        ("file,x0,y0,size\na.jpg,1,2,3\n", "even number of values.*of which 3 are coordinates"),
    ],
)
def test_csv_that_could_be_misread_is_refused(tmp_path, content, words):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InvalidInputError, match=words):
        datasets.read_keypoints_csv(text(tmp_path / "t.csv", content))


def test_numbers_of_a_table_may_have_decimal_commas(tmp_path):
    (tmp_path / "a.jpg").touch()
    _, ages = datasets.read_table(text(tmp_path / "t.csv", "file;age\na.jpg;31,5\n"), "age")
    assert ages.tolist() == [31.5]


# --------------------------------------------------------------------------- DeepLabCut

DLC = [
    "scorer,,,Ann,Ann,Ann,Ann",
    "bodyparts,,,leftear,leftear,rightear,rightear",
    "coords,,,x,y,x,y",
    "labeled-data,mouse1,img01.png,1.5,2,,",
    "labeled-data,mouse2,img07.png,5,6,7,8",
    "labeled-data,mouse2,img08.png,,,,",
]


@pytest.fixture
def project(tmp_path):
    for name in ("mouse1/img01", "mouse2/img07", "mouse2/img08"):
        picture(tmp_path / "labeled-data" / f"{name}.png")
    return tmp_path / "labeled-data" / "mouse1" / "CollectedData_Ann.csv"


@pytest.mark.parametrize("old", [False, True])
def test_deeplabcut(project, old):
    lines = DLC
    if old:  # one cell for each image
        lines = [
            line.replace(",,,", ",", 1)
            if i < 3
            else "/".join(line.split(",")[:3]) + "," + line.split(",", 3)[3]
            for i, line in enumerate(DLC)
        ]
    table = datasets.read_deeplabcut(text(project, "\n".join(lines)))
    np.testing.assert_array_equal(table.keypoints, [[[1.5, 2], [NAN, NAN]], [[5, 6], [7, 8]]])
    assert (table.names, table.groups.tolist()) == (("leftear", "rightear"), ["mouse1", "mouse2"])
    assert table.mirror_pairs == ((0, 1),)
    assert all(path.is_file() for path in table.paths)


def test_deeplabcut_is_written_as_it_was(project):
    lines = DLC[:5]
    table = datasets.read_deeplabcut(text(project, "\n".join(lines)))
    datasets.write_deeplabcut(table, project, scorer="Ann")
    assert project.read_text().replace("5.0,6.0,7.0,8.0", "5,6,7,8").replace(",2.0,", ",2,").split() == lines


def test_deeplabcut_of_several_animals(project):
    lines = [
        "scorer,,," + ",".join(["Ann"] * 8),
        "individuals,,,m1,m1,m1,m1,m2,m2,single,single",
        "bodyparts,,,snout,snout,tail,tail,snout,snout,cup,cup",
        "coords,,,x,y,x,y,x,y,x,y",
        "labeled-data,mouse1,img01.png,1,2,3,4,5,6,9,9",
        "labeled-data,mouse2,img07.png,1,2,,,,,9,9",
    ]
    table = datasets.read_deeplabcut(text(project, "\n".join(lines)))
    np.testing.assert_array_equal(
        table.keypoints, [[[1, 2], [3, 4]], [[5, 6], [NAN, NAN]], [[1, 2], [NAN, NAN]]]
    )
    assert [path.name for path in table.paths] == ["img01.png", "img01.png", "img07.png"]
    again = project.with_name("again.csv")
    datasets.write_deeplabcut(table, again)
    np.testing.assert_array_equal(datasets.read_deeplabcut(again).keypoints, table.keypoints)


def test_deeplabcut_keeps_likelihood_and_finds_images_beside_the_file(tmp_path):
    picture(tmp_path / "img01.png")
    lines = [
        "scorer,S,S,S",
        "bodyparts,nose,nose,nose",
        "coords,x,y,likelihood",
        "labeled-data/v/img01.png,1,2,0.75",
    ]
    table = datasets.read_deeplabcut(text(tmp_path / "p.csv", "\n".join(lines)))
    assert (table.paths, table.likelihood.tolist()) == ([tmp_path / "img01.png"], [[0.75]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], "scorer, bodyparts and coords"),
        (
            lambda lines: [*lines[:4], "labeled-data,mouse2,img07.png,5,6,7"],
            "row 5 has 6 cells, but its header 7",
        ),
        (lambda lines: [*lines[:4], "labeled-data,mouse2,img07.png,5,six,7,8"], "row 5, column 5: 'six'"),
        (lambda lines: [*lines[:3], "labeled-data,mouse2,img07.png,,,,"], "no labelled point"),
        (lambda lines: [*lines[:3], "labeled-data,mouse2,gone.png,1,2,3,4"], "gone.png', is not in"),
        (lambda lines: [line.replace(",,,", ",") for line in lines[:3]] + ["0,1,2,3,4"], "frames of a video"),
    ],
)
def test_deeplabcut_that_is_broken(project, change, words):
    with pytest.raises(InvalidInputError, match=words):
        datasets.read_deeplabcut(text(project, "\n".join(change(DLC))))


def write_fixed(path, columns, values):
    """Write a data frame as pandas and PyTables do in the layout "fixed"."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["nblocks"] = 1
        for axis, entries in (
            ("axis0", columns),
            ("block0_items", columns),
            ("axis1", [("labeled-data", "mouse1", "img01.png")]),
        ):
            for level, parts in enumerate(zip(*entries, strict=True)):
                distinct = sorted(set(parts))
                group[f"{axis}_level{level}"] = np.array(distinct, dtype="S20")
                group[f"{axis}_label{level}"] = [distinct.index(part) for part in parts]
        group["block0_values"] = values
    return path


COLUMNS = [("Ann", part, coord) for part in ("snout", "leftear") for coord in "xy"]


def test_deeplabcut_in_hdf5(project):
    path = write_fixed(project.with_suffix(".h5"), COLUMNS, [[1.5, 2, NAN, NAN]])
    table = datasets.read_deeplabcut(path)
    np.testing.assert_array_equal(table.keypoints, [[[1.5, 2], [NAN, NAN]]])
    assert (table.names, [p.name for p in table.paths]) == (("snout", "leftear"), ["img01.png"])


def test_hdf5_that_is_broken(project):
    h5py = pytest.importorskip("h5py")
    path = write_fixed(project.with_suffix(".h5"), COLUMNS, [[1.5, 2, 3, 4]])
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(
        InvalidInputError, match="not an HDF5 file of DeepLabCut's labels.*CSV file beside it"
    ):
        datasets.read_deeplabcut(path)
    with pytest.raises(InvalidInputError, match="have 2 levels, not 3 or 4"):
        datasets.read_deeplabcut(write_fixed(path, [column[1:] for column in COLUMNS], [[1.5, 2, 3, 4]]))
    with h5py.File(path, "w") as file:
        file.create_group("df_with_missing")["table"] = [1.0]
    with pytest.raises(InvalidInputError, match="layout of predictions, not of labels"):
        datasets.read_deeplabcut(path)


@pytest.mark.parametrize("several", [False, True])
def test_hdf5_as_pandas_writes_it(project, several):
    pytest.importorskip("tables")
    pandas = pytest.importorskip("pandas")
    levels = {
        "scorer": ["Ann"],
        "individuals": ["m1", "m2"],
        "bodyparts": ["snout", "tail"],
        "coords": ["x", "y"],
    }
    if not several:
        del levels["individuals"]
    columns = pandas.MultiIndex.from_product(levels.values(), names=levels)
    values = np.arange(2.0 * len(columns)).reshape(2, -1)
    values[1, 2:4] = NAN
    names = ["labeled-data/mouse1/img01.png", "labeled-data/mouse2/img07.png"]
    frame = pandas.DataFrame(values, index=names, columns=columns)
    path = project.with_suffix(".h5")
    frame.to_hdf(path, key="df_with_missing", mode="w")
    frame.to_csv(project)
    of_csv, of_h5 = datasets.read_deeplabcut(project), datasets.read_deeplabcut(path)
    np.testing.assert_array_equal(of_h5.keypoints, of_csv.keypoints)
    assert (of_h5.names, of_h5.paths) == (of_csv.names, of_csv.paths)


def test_images_of_a_project_are_named_as_deeplabcut_does(project, monkeypatch):
    paths = [project.parent / "img01.png", project.parent.parent / "mouse2" / "img07.png"]
    datasets.write_deeplabcut(KeypointTable(paths, np.ones((2, 1, 2))), project)
    assert [line.split(",")[:3] for line in project.read_text().splitlines()[3:]] == [
        ["labeled-data", "mouse1", "img01.png"],
        ["labeled-data", "mouse2", "img07.png"],
    ]
    monkeypatch.chdir(project.parent)
    datasets.write_deeplabcut(KeypointTable(["img01.png"], np.ones((1, 1, 2))), "here.csv")
    assert datasets.read_deeplabcut("here.csv").keypoints.tolist() == [[[1, 1]]]


# --------------------------------------------------------------------------- COCO


def coco():
    return {
        "info": {"description": "three people"},
        "images": [
            {"id": 7, "file_name": "a.png", "width": 60, "height": 40},
            {"id": 9, "file_name": "b.png", "width": 60, "height": 40},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 1,
                "keypoints": [1.5, 2, 2, 3, 4, 1],
                "bbox": [0, 1, 10, 20],
                "iscrowd": 0,
            },
            {
                "id": 2,
                "image_id": 7,
                "category_id": 1,
                "keypoints": [5, 6, 2, 0, 0, 0],
                "bbox": [5, 5, 5, 5],
                "iscrowd": 0,
            },
            {
                "id": 3,
                "image_id": 9,
                "category_id": 1,
                "keypoints": [0] * 6,
                "bbox": [1, 1, 1, 1],
                "iscrowd": 0,
            },
            {
                "id": 4,
                "image_id": 9,
                "category_id": 1,
                "keypoints": [7, 8, 2, 9, 9, 2],
                "bbox": [1, 1, 9, 9],
                "iscrowd": 1,
            },
            {
                "id": 5,
                "image_id": 9,
                "category_id": 1,
                "keypoints": [7, 8, 2, 9, 9, 2],
                "bbox": [1, 2, 9, 9],
                "iscrowd": 0,
            },
            {"id": 6, "image_id": 9, "category_id": 2, "bbox": [1, 2, 9, 9], "iscrowd": 0},
        ],
        "categories": [
            {"id": 1, "name": "person", "keypoints": ["left_eye", "right_eye"], "skeleton": [[1, 2]]},
            {"id": 2, "name": "car"},
        ],
    }


@pytest.fixture
def coco_file(tmp_path):
    for name in "ab":
        picture(tmp_path / "val2017" / f"{name}.png")
    return tmp_path / "annotations" / "person_keypoints_val2017.json"


def test_coco(coco_file, caplog):
    with caplog.at_level(logging.INFO, logger="transferkit"):
        table = datasets.read_coco_keypoints(text(coco_file, coco()))
    np.testing.assert_array_equal(
        table.keypoints, [[[1.5, 2], [3, 4]], [[5, 6], [NAN, NAN]], [[7, 8], [9, 9]]]
    )
    assert [path.name for path in table.paths] == ["a.png", "a.png", "b.png"]
    assert table.groups.tolist() == ["a.png", "a.png", "b.png"]
    assert table.boxes.tolist() == [[0, 1, 10, 21], [5, 5, 10, 10], [1, 2, 10, 11]]
    assert table.visibility.tolist() == [[2, 1], [2, 0], [2, 2]]
    assert (table.skeleton, table.mirror_pairs) == (((0, 1),), ((0, 1),))
    assert "2 annotations" in caplog.text


def test_coco_there_and_back(coco_file, tmp_path):
    table = datasets.read_coco_keypoints(text(coco_file, coco()))
    datasets.write_coco_keypoints(table, tmp_path / "new.json")
    written = json.loads((tmp_path / "new.json").read_text())
    assert written["images"][0] == {"id": 1, "file_name": "a.png", "width": 60, "height": 40}
    assert [a["num_keypoints"] for a in written["annotations"]] == [2, 1, 2]
    assert written["categories"][0]["skeleton"] == [[1, 2]]
    back = datasets.read_coco_keypoints(tmp_path / "new.json", image_folder=tmp_path / "val2017")
    for name in ("keypoints", "boxes", "visibility"):
        np.testing.assert_array_equal(getattr(back, name), getattr(table, name))
    assert (back.paths, back.names) == (table.paths, table.names)
    bare = KeypointTable(table.paths[1:2], [[5.0, 6, NAN, NAN]])
    datasets.write_coco_keypoints(bare, tmp_path / "bare.json", category="mouse")
    written = json.loads((tmp_path / "bare.json").read_text())
    assert written["annotations"][0]["keypoints"] == [5, 6, 2, 0, 0, 0]
    assert written["categories"][0]["keypoints"] == ["point0", "point1"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("categories"), "It lacks 'categories'"),
        (lambda c: c["categories"].pop(0), "boxes only"),
        (lambda c: c["annotations"][0]["keypoints"].pop(), "annotation 1 has 5 values.*2 points"),
        (lambda c: c["annotations"][1].update(image_id=8), "annotation 2 is of image 8"),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(0, "1"), "annotation 1 .*no finite numbers"),
        (lambda c: c["categories"][0].update(skeleton=[[0, 1]]), "from 1 to 2"),
        (
            lambda c: c["images"][0].update(file_name="gone.png") or c["images"][1].update(file_name="g.png"),
            "image_folder=",
        ),
        (lambda c: c["categories"][1].update(keypoints=["wheel"]), "category must be 'person' or 'car'"),
        (lambda c: c["annotations"].__delitem__(slice(3)) or c["annotations"].pop(1), "no annotation"),
    ],
)
def test_coco_that_is_broken(coco_file, change, words):
    content = coco()
    change(content)
    with pytest.raises(InvalidInputError, match=words):
        datasets.read_coco_keypoints(text(coco_file, content))


def test_json_that_is_none(tmp_path):
    with pytest.raises(InvalidInputError, match="not a JSON file"):
        datasets.read_coco_keypoints(text(tmp_path / "c.json", '{"images": ['))


# --------------------------------------------------------------------------- 300-W

PTS = "version: 1\nn_points:  2\n{\n10.5 20\nnan nan\n}\n"


def test_pts(tmp_path):
    for name in ("a.png", "in/b.JPG"):
        picture(tmp_path / name)
        text((tmp_path / name).with_suffix(".pts"), PTS)
    table = datasets.read_pts(tmp_path)
    np.testing.assert_array_equal(table.keypoints, [[[9.5, 19], [NAN, NAN]]] * 2)
    assert [path.name for path in table.paths] == ["a.png", "b.JPG"]
    assert datasets.read_pts(tmp_path / "a.pts", first_pixel=0).keypoints[0, 0].tolist() == [10.5, 20]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 2\n3 4\n", "must have 'version:'"),
        (PTS.replace("nan nan\n", ""), "2 lines of x and y.*Got 1"),
        (PTS.replace("20", "twenty"), "point 0: '10.5 twenty'"),
        (PTS.replace("2", "3", 1).replace("nan nan", "1 2\n3 4"), "b.pts has 3 points, but a.pts has 2"),
    ],
)
def test_pts_that_is_broken(tmp_path, content, words):
    for name, text_ in (("a", PTS), ("b", content)):
        picture(tmp_path / f"{name}.png")
        text(tmp_path / f"{name}.pts", text_)
    with pytest.raises(InvalidInputError, match=words):
        datasets.read_pts(tmp_path)


def test_pts_without_an_image(tmp_path):
    with pytest.raises(InvalidInputError, match=r"a.pts has no image"):
        datasets.read_pts(text(tmp_path / "a.pts", PTS))
    with pytest.raises(InvalidInputError, match="There is none"):
        datasets.read_pts(tmp_path / "nowhere")


# --------------------------------------------------------------------------- LabelMe


def labelme(*shapes, image="a.png"):
    return {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": image, "imageData": None}


def point(label, x, y, group=None):
    return {"label": label, "points": [[x, y]], "group_id": group, "shape_type": "point", "flags": {}}


def test_labelme(tmp_path):
    picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    box = {"label": "face", "points": [[9, 8], [1, 2]], "group_id": 1, "shape_type": "rectangle"}
    text(
        tmp_path / "a.json",
        labelme(point("nose", 1, 2, 1), box, point("nose", 3, 4, 2), point("ear", 5, 6, 2)),
    )
    text(tmp_path / "b.json", labelme(point("ear", 7, 8.5), image="..\\elsewhere\\b.png"))
    table = datasets.read_labelme(tmp_path)
    np.testing.assert_array_equal(
        table.keypoints, [[[1, 2], [NAN, NAN]], [[3, 4], [5, 6]], [[NAN, NAN], [7, 8.5]]]
    )
    assert table.names == ("nose", "ear")
    np.testing.assert_array_equal(table.boxes, [[1, 2, 9, 8], [NAN] * 4, [NAN] * 4])
    assert [path.name for path in table.paths] == ["a.png", "a.png", "b.png"]
    assert datasets.read_labelme(tmp_path, names=["ear", "nose"]).keypoints[0, 1].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (labelme(point("nose", 1, 2), point("nose", 3, 4)), "two points 'nose' of one subject"),
        (labelme(point("nose", 1, 2), image="gone.png"), "'gone.png', which is not there"),
        (labelme(point("nose", 1, None)), "no finite numbers for point 'nose'"),
        ({"shapes": {}, "imagePath": "a.png"}, "needs 'shapes'"),
        (labelme(), "no labelled point"),
    ],
)
def test_labelme_that_is_broken(tmp_path, content, words):
    picture(tmp_path / "a.png")
    with pytest.raises(InvalidInputError, match=words):
        datasets.read_labelme(text(tmp_path / "a.json", content))


# --------------------------------------------------------------------------- Label Studio


def studio(*results, image="/data/upload/1/0a1b2c3d-a.png"):
    for number, result in enumerate(results):
        result.setdefault("id", f"r{number}")
        result.update(original_width=200, original_height=100)
    return [
        {"id": 5, "data": {"img": image}, "annotations": [{"result": list(results), "was_cancelled": False}]},
        {"id": 6, "data": {"img": "never.png"}, "annotations": [{"result": [], "was_cancelled": False}]},
    ]


def spot(label, x, y, **more):
    return {
        "type": "keypointlabels",
        "value": {"x": x, "y": y, "width": 0.3, "keypointlabels": [label]},
        **more,
    }


def test_label_studio(tmp_path):
    picture(tmp_path / "a.png", 200, 100)
    box = {"type": "rectanglelabels", "id": "box", "value": {"x": 10, "y": 20, "width": 30, "height": 40}}
    relation = {"type": "relation", "from_id": "k", "to_id": "box", "direction": "right"}
    tasks = studio(
        spot("nose", 10, 20), box, spot("nose", 30, 50, parentID="box"), spot("ear", 40, 60, id="k"), relation
    )
    table = datasets.read_label_studio(text(tmp_path / "t.json", tasks))
    np.testing.assert_array_equal(table.keypoints, [[[60, 50], [80, 60]], [[20, 20], [NAN, NAN]]])
    np.testing.assert_array_equal(table.boxes, [[20, 20, 80, 60], [NAN] * 4])
    local = studio(spot("nose", 10, 20), image="/data/local-files/?d=photos/a.png")
    assert datasets.read_label_studio(text(tmp_path / "t.json", local)).paths == [tmp_path / "a.png"]


def test_label_studio_that_is_broken(tmp_path):
    path = text(tmp_path / "t.json", studio(spot("nose", 1, 2)))
    with pytest.raises(InvalidInputError, match="task 5 is of the image 0a1b2c3d-a.png, which is not in"):
        datasets.read_label_studio(path)
    with pytest.raises(InvalidInputError, match="not JSON-MIN"):
        datasets.read_label_studio(text(path, [{"img": "a.png", "annotations": 3}]))


def nodes(part, path=()):
    yield path
    for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
        yield from nodes(part[key], (*path, key))


@pytest.mark.parametrize("kind", ["coco", "labelme", "label_studio"])
def test_json_of_any_form_is_read_or_named(tmp_path, kind):
    picture(tmp_path / "a.png", *((200, 100) if kind == "label_studio" else ())), picture(tmp_path / "b.png")
    box = {"type": "rectanglelabels", "id": "box", "value": {"x": 10, "y": 20, "width": 30, "height": 40}}
    rectangle = {"label": "face", "points": [[9, 8], [1, 2]], "group_id": 1, "shape_type": "rectangle"}
    reader, content = {
        "coco": (datasets.read_coco_keypoints, coco()),
        "labelme": (datasets.read_labelme, labelme(point("nose", 1, 2, 1), rectangle)),
        "label_studio": (datasets.read_label_studio, studio(spot("nose", 10, 20), box)),
    }[kind]
    assert len(reader(text(tmp_path / "x.json", content)).paths) > 0
    refused = 0
    for path in nodes(content):
        for value in (None, "x", [], 3):
            changed = json.loads(json.dumps(content))
            part = changed
            for key in path[:-1]:
                part = part[key]
            if path:
                part[path[-1]] = value
            try:
                reader(text(tmp_path / "x.json", changed if path else value))
            except InvalidInputError:
                refused += 1
    assert refused > 20


# --------------------------------------------------------------------------- YOLO


def yolo(folder, lines="0 0.5 0.5 0.2 0.4 0.1 0.2 2 0 0 0\n\n0 0.5 0.5 1 1 0.5 0.25 1 1 1 2\n"):
    pytest.importorskip("yaml")
    picture(folder / "images" / "train" / "a.png", 200, 100)
    picture(folder / "images" / "train" / "unlabelled.png", 200, 100)
    text(folder / "labels" / "train" / "a.txt", lines)
    names = "kpt_names:\n  0: [left, right]\nnames:\n  0: person\n"
    return text(
        folder / "data.yaml", f"path: .\ntrain: images/train\nkpt_shape: [2, 3]\nflip_idx: [1, 0]\n{names}"
    )


def test_yolo_pose(tmp_path):
    table = datasets.read_yolo_pose(yolo(tmp_path))
    np.testing.assert_array_equal(table.keypoints, [[[20, 20], [NAN, NAN]], [[100, 25], [200, 100]]])
    np.testing.assert_allclose(table.boxes, [[80, 30, 120, 70], [0, 0, 200, 100]])
    assert (table.names, table.mirror_pairs) == (("left", "right"), ((0, 1),))
    assert table.visibility.tolist() == [[2, 0], [1, 2]]


def test_yolo_pose_that_is_broken(tmp_path):
    path = yolo(tmp_path, "0 0.5 0.5 0.2 0.4 0.1 0.2\n")
    with pytest.raises(InvalidInputError, match="a.txt, line 1 must have 11 numbers. Got 7"):
        datasets.read_yolo_pose(path)
    with pytest.raises(InvalidInputError, match="split must be .*Got 'val'"):
        datasets.read_yolo_pose(path, split="val")
    with pytest.raises(InvalidInputError, match="kpt_shape"):
        datasets.read_yolo_pose(text(path, "kpt_shape: 3\ntrain: images/train\n"))


# --------------------------------------------------------------------------- SLEAP


def test_sleap(tmp_path):
    sleap_io = pytest.importorskip("sleap_io")
    files = [picture(tmp_path / f"{name}.png") for name in "ab"]
    skeleton = sleap_io.Skeleton(["nose", "earL", "earR"], edges=[("nose", "earL"), ("nose", "earR")])
    skeleton.add_symmetry("earL", "earR")
    video = sleap_io.Video.from_filename([str(file) for file in files])
    one = sleap_io.Instance.from_numpy(np.array([[1, 2], [3, 4], [NAN, NAN]]), skeleton=skeleton)
    two = sleap_io.PredictedInstance.from_numpy(
        np.array([[5.0, 6], [7, 8], [9, 10]]),
        skeleton=skeleton,
        point_scores=np.array([0.5, 0.75, 1]),
        score=0.9,
    )
    frames = [
        sleap_io.LabeledFrame(video=video, frame_idx=i, instances=[x]) for i, x in enumerate((one, two))
    ]
    sleap_io.save_slp(sleap_io.Labels(frames), str(tmp_path / "labels.slp"))
    table = datasets.read_sleap(tmp_path / "labels.slp")
    np.testing.assert_array_equal(table.keypoints, [[[1, 2], [3, 4], [NAN, NAN]], [[5, 6], [7, 8], [9, 10]]])
    assert (table.names, table.skeleton) == (("nose", "earL", "earR"), ((0, 1), (0, 2)))
    assert (table.mirror_pairs, table.paths) == (((1, 2),), files)
    assert table.likelihood.tolist() == [[1, 1, 1], [0.5, 0.75, 1]]
    files[0].unlink()
    with pytest.raises(InvalidInputError, match="a.png is not there"):
        datasets.read_sleap(tmp_path / "labels.slp")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # imageio's pipes stay open
@pytest.mark.parametrize("embed", [False, True])
def test_frames_of_sleaps_videos_become_files(tmp_path, embed):
    sleap_io = pytest.importorskip("sleap_io")
    pictures = np.stack([np.full((64, 80, 3), 40 * i, np.uint8) for i in range(5)])
    sleap_io.save_video(pictures, str(tmp_path / "film.mp4"))
    skeleton = sleap_io.Skeleton(["nose"])
    one = sleap_io.Instance.from_numpy(np.array([[1.0, 2.0]]), skeleton=skeleton)
    video = sleap_io.load_video(str(tmp_path / "film.mp4"))
    labels = sleap_io.Labels([sleap_io.LabeledFrame(video=video, frame_idx=3, instances=[one])])
    path = tmp_path / ("labels.pkg.slp" if embed else "labels.slp")
    sleap_io.save_slp(labels, str(path), **({"embed": True} if embed else {}))
    with pytest.raises(InvalidInputError, match="pass image_folder=, where they are written as PNG"):
        datasets.read_sleap(path)
    if embed:
        (tmp_path / "film.mp4").unlink()
    table = datasets.read_sleap(path, image_folder=tmp_path / "frames")
    assert table.keypoints.tolist() == [[[1, 2]]]
    pixels = np.asarray(Image.open(table.paths[0]))
    assert pixels.shape[:2] == (64, 80)
    assert abs(int(pixels[32, 40].mean()) - 120) < 8
    before = table.paths[0].stat().st_mtime_ns
    assert datasets.read_sleap(path, image_folder=tmp_path / "frames").paths == table.paths
    assert table.paths[0].stat().st_mtime_ns == before  # a frame is written once
    gc.collect()  # so that no later test finds the pipes


def test_sleap_that_is_broken(tmp_path):
    pytest.importorskip("sleap_io")
    (tmp_path / "x.slp").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(InvalidInputError, match="not a file of SLEAP"):
        datasets.read_sleap(tmp_path / "x.slp")


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sleap_io", None)
    (tmp_path / "x.slp").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(MissingDependencyError, match=r"transferkit\[sleap\]"):
        datasets.read_sleap(tmp_path / "x.slp")


# --------------------------------------------------------------------------- files of another format


def test_files_of_each_format_are_named_and_read(coco_file, project, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.jpg").touch()
    for folder in "pls":
        picture(tmp_path / folder / "a.png", *((200, 100) if folder == "s" else ()))
    made = {
        "DeepLabCut": text(project, "\n".join(DLC)),
        "COCO": text(coco_file, coco()),
        "pts": text(tmp_path / "p" / "a.pts", PTS),
        "LabelMe": text(tmp_path / "l" / "a.json", labelme(point("nose", 1, 2))),
        "Label Studio": text(tmp_path / "s" / "studio.json", studio(spot("nose", 1, 2))),
        "YOLO": yolo(tmp_path / "y"),
        "CSV": text(tmp_path / "c" / "t.csv", "a.jpg,1,2"),
    }
    readers = {kind: getattr(datasets, name) for kind, name in datasets_readers().items()}
    for kind, path in made.items():
        assert len(read_keypoints(path).paths) > 0, kind
        if kind != "CSV":
            with pytest.raises(
                InvalidInputError, match=f"is a {kind} file. Call datasets.{readers[kind].__name__}"
            ):
                datasets.read_keypoints_csv(path)
    with pytest.raises(InvalidInputError, match="read_coco_keypoints reads COCO files, but .* LabelMe"):
        datasets.read_coco_keypoints(made["LabelMe"])
    assert len(read_keypoints(tmp_path / "p").paths) == len(read_keypoints(tmp_path / "l").paths) == 1


def datasets_readers():
    from transferkit.keypoints.files._kinds import READERS

    return READERS


def test_options_and_files_that_no_reader_takes(tmp_path):
    path = text(tmp_path / "a.pts", PTS)
    with pytest.raises(InvalidInputError, match="takes 'first_pixel' and 'image_folder'. Got 'category'"):
        read_keypoints(path, category="person")
    with pytest.raises(InvalidInputError, match="is of none of them"):
        read_keypoints(text(tmp_path / "x.md", "# notes"))
    with pytest.raises(InvalidInputError, match="does not exist"):
        read_keypoints(tmp_path / "nothing.csv")
