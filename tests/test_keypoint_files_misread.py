"""Files of keypoints that could be read as other points, or of other images: read right, or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transferkit import datasets
from transferkit.datasets import KeypointTable
from transferkit.errors import InvalidInputError
from transferkit.keypoints import mirror_pairs_by_name, smooth_keypoints

NAN = np.nan


def picture(path, width=60, height=40, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path, **options)
    return path


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def names_of(table):
    return [path.relative_to(path.parents[1]).as_posix() for path in table.paths]


# --------------------------------------------------------------------------- the table


def test_a_table_of_lists_is_one_of_arrays():
    table = KeypointTable(["a", "b"], [[1, 2], [3, 4]], boxes=[[0, 0, 9, 9], [1, 1, 2, 2]], groups=["g", "h"])
    part = table.take([1])
    assert (part.boxes.tolist(), part.groups.tolist()) == ([[1, 1, 2, 2]], ["h"])
    assert len(table.take([]).paths) == 0
    named = KeypointTable(["a"], [[1, 2, 3, 4]], names=("eye", "ear"))
    none = named.take([False])  # as where no point is doubtful
    assert (none.keypoints.shape, none.names) == ((0, 4), ("eye", "ear"))
    for column, value in (
        ("boxes", [[0, 0, 9, 9]]),
        ("groups", ["g"]),
        ("likelihood", [[1, 1], [1, 1]]),
        ("visibility", [["seen"], ["hidden"]]),
        ("individuals", ["a", "b", "c"]),
    ):
        with pytest.raises(InvalidInputError, match=rf"{column} of a table must have shape \(2,"):
            KeypointTable(["a", "b"], [[1, 2], [3, 4]], **{column: value})
    with pytest.raises(InvalidInputError, match="individuals must be different in each image. a has 'x'"):
        KeypointTable(["a", "a"], [[1, 2], [3, 4]], individuals=["x", "x"])


def test_a_table_of_tensors_is_one_of_arrays():
    class Tensor:  # as in PyTorch, whose types are not numpy's
        dtype = object()

        def __init__(self, values):
            self._values = np.array(values)
            self.shape = self._values.shape

        def __array__(self, dtype=None, copy=None):
            return self._values.astype(dtype or self._values.dtype)

        def __len__(self):
            return len(self._values)

    table = KeypointTable(["a", "b"], Tensor([[1, 2], [3, 4]]), likelihood=Tensor([[0.5], [0.25]]))
    assert (table.keypoints.tolist(), table.likelihood.tolist()) == ([[1, 2], [3, 4]], [[0.5], [0.25]])
    moved = table.with_keypoints(Tensor([[5, 6], [7, 8]]), likelihood=Tensor([[0.5], [0.25]]))
    assert moved.keypoints.tolist() == [[5, 6], [7, 8]]


@pytest.mark.parametrize("name", ["keypoints_csv", "coco_keypoints"])
def test_images_outside_the_folder_of_a_table_keep_their_place(tmp_path, monkeypatch, name):
    inside, outside = picture(tmp_path / "p" / "q" / "a.png"), picture(tmp_path / "cwd" / "q" / "a.png")
    monkeypatch.chdir(tmp_path / "cwd")
    table = KeypointTable([inside, "q/a.png"], [[1, 2], [3, 4]], folder=tmp_path / "p")
    getattr(datasets, f"write_{name}")(table, tmp_path / "p" / "labels")
    (tmp_path / "p" / "labels").rename(tmp_path / "p" / "labels.csv")
    back = getattr(datasets, f"read_{name}")(tmp_path / "p" / "labels.csv")
    assert back.paths == [inside, outside]


def test_one_image_under_two_spellings_is_one(tmp_path):
    for name in ("a.png", "labeled-data/v/a.png"):
        picture(tmp_path / name)
    path = text(tmp_path / "t.csv", "file,x0,y0\na.png,1,2\n./a.png,3,4\n")
    with pytest.raises(InvalidInputError, match="'a.png' occurs in 2 rows"):
        datasets.read_keypoints_csv(path)
    path = text(tmp_path / "t.csv", "file,x0,y0,individual\na.png,1,2,p\n./a.png,3,4,q\n")
    assert datasets.read_keypoints_csv(path).groups.tolist() == ["a.png", "a.png"]
    rows = "labeled-data/v/a.png,1,2\nlabeled-data\\v\\a.png,3,4\n"
    path = text(tmp_path / "d.csv", "scorer,A,A\nbodyparts,n,n\ncoords,x,y\n" + rows)
    with pytest.raises(InvalidInputError, match="'labeled-data/v/a.png' has 2 rows; keep one"):
        datasets.read_deeplabcut(path)
    path = text(tmp_path / "d.csv", "scorer,A,A\nbodyparts,n,n\ncoords,X,Y\na.png,1,2\n")
    with pytest.raises(InvalidInputError, match="row 'coords' of the header must have x and y. Got 'X' and"):
        datasets.read_deeplabcut(path)


def test_images_in_two_folders_are_not_guessed(tmp_path):
    for name in ("a.png", "b.png"):
        picture(tmp_path / name), picture(tmp_path / "small" / name, 6, 4)
    path = text(tmp_path / "small_keypoints.csv", "a.png,1,2\nb.png,3,4\n")
    with pytest.raises(InvalidInputError, match="differ in .* and .*small'. Pass image_folder="):
        datasets.read_keypoints_csv(path)
    assert datasets.read_keypoints_csv(path, image_folder=tmp_path).paths[0] == tmp_path / "a.png"
    for name in ("a.png", "b.png"):
        picture(tmp_path / "small" / name)  # the same picture
    assert datasets.read_keypoints_csv(path).paths[0] == tmp_path / "a.png"
    (tmp_path / "b.png").unlink()  # only one of the folders has all
    assert datasets.read_keypoints_csv(path).paths[0] == tmp_path / "small" / "a.png"


def test_images_without_a_group_are_not_one_group(tmp_path):
    picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    path = text(tmp_path / "t.csv", "file,x0,y0,group\na.png,1,2,\nb.png,3,4,g\n")
    with pytest.raises(InvalidInputError, match=r"row 2 \(a.png\) has no group"):
        datasets.read_keypoints_csv(path)


def test_masked_numbers_of_a_table_are_missing():
    points = np.ma.masked_equal([[1, 2, 99, 99]], 99)
    table = KeypointTable(["a"], points, boxes=np.ma.masked_equal([[0, 0, 9, 99]], 99))
    for found in (table, KeypointTable(["a"], [[5, 6, 7, 8]]).with_keypoints(points)):
        np.testing.assert_array_equal(found.keypoints, [[1, 2, NAN, NAN]])
    np.testing.assert_array_equal(table.boxes, [[0, 0, 9, NAN]])
    with pytest.raises(InvalidInputError, match="likelihood must be numbers in 0..1"):
        table.with_keypoints(points, likelihood=np.ma.masked_equal([[0.5, 0.25]], 0.25))


def test_all_sides_of_a_name_are_exchanged():
    corners = ["left_eye_left_corner", "left_eye_right_corner", "right_eye_left_corner"]
    assert mirror_pairs_by_name([*corners, "right_eye_right_corner"]) == ((0, 3), (1, 2))
    assert mirror_pairs_by_name(["lft_paw", "nose", "rgt_paw"]) == ((0, 2),)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["leftear", "rightear", "lhip", "rhip"], ((0, 1), (2, 3))),
        (["forepawL", "forepawR", "hindpawr", "hindpawl"], ((0, 1), (3, 2))),
        (["LF", "RF", "LH", "RH", "nose"], ((0, 1), (2, 3))),
        (["l_eye", "r_eye", "rump", "ear", "lip"], ((0, 1),)),
        (["l_eye", "r_eye", "light", "right_ear", "left_ear"], ((0, 1), (4, 3))),
    ],
)
def test_sides_of_one_letter_are_exchanged_with_the_others(names, pairs):
    assert mirror_pairs_by_name(names) == pairs


def test_points_of_one_side_alone_leave_no_pairs(caplog):
    names = ("left_ear", "right_ear", "left_paw")
    assert mirror_pairs_by_name(names) == ()
    assert KeypointTable(["a"], np.ones((1, 3, 2)), names=names).mirror_pairs == ()
    assert "'left_paw' of one side have no partner" in caplog.text
    caplog.clear()
    assert (
        KeypointTable(["a"], np.ones((1, 3, 2)), names=("upright", "bright", "leftover")).mirror_pairs == ()
    )
    assert not caplog.text


def test_no_frames_are_smoothed_to_none():
    assert smooth_keypoints(np.zeros((0, 3, 2))).shape == (0, 3, 2)
    assert smooth_keypoints(np.zeros((0, 6))).shape == (0, 6)


# --------------------------------------------------------------------------- plain CSV


@pytest.mark.parametrize(
    ("header", "points"),
    [
        ("x_0,x_1,y_0,y_1", [1, 3, 2, 4]),  # as OpenFace writes them
        ("nose_x,ear_x,nose_y,ear_y", [1, 3, 2, 4]),
        ("x0,x1,y0,y1", [1, 3, 2, 4]),
        ("x0,y0,x1,y1", [1, 2, 3, 4]),
        ("0,1,2,3", [1, 2, 3, 4]),
        ("x,y,x,y", [1, 2, 3, 4]),
        ("width,height,age,key", [1, 2, 3, 4]),  # names no axis of anything
    ],
)
def test_columns_are_read_by_their_names(tmp_path, header, points):
    picture(tmp_path / "a.png")
    table = datasets.read_keypoints_csv(text(tmp_path / "t.csv", f"file,{header}\na.png,1,2,3,4\n"))
    assert table.keypoints.tolist() == [points]
    assert table.names == {"x_0,x_1,y_0,y_1": ("0", "1"), "nose_x,ear_x,nose_y,ear_y": ("nose", "ear")}.get(
        header
    )


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "nose_x,nose_y,nose_likelihood,ear_x,ear_y,ear_likelihood",
            "'nose_likelihood' and 'ear_likelihood'",
        ),
        ("nose_x,nose_y,age,weight", "'age' and 'weight'"),
        ("id,nose_x,nose_y,frame", "'id' and 'frame'"),
        ("box_left,box_top,nose_x,nose_y", "'box_left' and 'box_top'"),
        ("y0,x0,y1,x1", "x and then y. Got 'y0' and then 'x0'"),
        ("y,x,y,x", "without names must be x, y, x, y, ... Got y, x, y, x"),
        ("X,X,Y,Y", "without names must be x, y, x, y, ... Got X, X, Y, Y"),
    ],
)
def test_columns_that_are_no_points_are_named(tmp_path, header, words):
    picture(tmp_path / "a.png")
    row = ",".join(str(i) for i in range(len(header.split(","))))
    with pytest.raises(InvalidInputError, match=words):
        datasets.read_keypoints_csv(text(tmp_path / "t.csv", f"file,{header}\na.png,{row}\n"))


@pytest.mark.parametrize(
    "content",
    [
        "x_0,x_1,y_0,y_1\na.png,1,3,2,4\n",  # as R writes names of rows: without a title
        '"nose_x","ear_x","nose_y","ear_y"\n"a.png",1,3,2,4\n',
        "file,x_0,x_1,y_0,y_1\n1,a.png,1,3,2,4\n",  # or numbers of rows
        "file,x_0,x_1,y_0,y_1,,\na.png,1,3,2,4\n",  # separators after the last title
        "x_0,y_0,group,x_1,y_1\na.png,1,2,7,3,4\n",
    ],
)
def test_titles_belong_to_columns_where_their_numbers_differ(tmp_path, content):
    picture(tmp_path / "a.png")
    table = datasets.read_keypoints_csv(text(tmp_path / "t.csv", content))
    assert table.keypoints.tolist() == [[1, 2, 3, 4]]
    assert table.names in (("0", "1"), ("nose", "ear"))
    assert table.groups is None or table.groups.tolist() == ["7"]


def test_a_header_of_another_length_is_refused_unless_it_names_nothing(tmp_path):
    picture(tmp_path / "a.png")
    for titles in ("file,x_0,x_1,y_0,y_1,by,on", "file,1,2,3,4,group,on", "x_0,y_0,note"):
        with pytest.raises(InvalidInputError, match="must have a title for each column"):
            datasets.read_keypoints_csv(text(tmp_path / "t.csv", f"{titles}\na.png,1,2,3,4\n"))
    for titles in ("Mice of May", "points,of,mice"):
        path = text(tmp_path / "t.csv", f"{titles}\na.png,1,2,3,4\n")
        assert datasets.read_keypoints_csv(path).keypoints.tolist() == [[1, 2, 3, 4]]


def test_points_that_may_be_missing_are_told(tmp_path, caplog):
    for name in "abc":
        picture(tmp_path / f"{name}.png")
    rows = "a.png,1,2,-1,-1\nb.png,0,0,5,6\nc.png,7,-1,-1.0,-1\n"
    table = datasets.read_keypoints_csv(text(tmp_path / "t.csv", rows))
    assert table.keypoints[0].tolist() == [1, 2, -1, -1]  # it may be so
    assert (
        "3 point(s) are at (0, 0) or (-1, -1). If these are missing, leave their cells empty" in caplog.text
    )
    caplog.clear()
    datasets.read_keypoints_csv(text(tmp_path / "t.csv", "a.png,0,2,-1,0.5\n"))
    assert not caplog.text


def test_commas_of_thousands_are_no_decimal_commas(tmp_path):
    picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    path = text(tmp_path / "t.csv", "file\tx0\ty0\na.png\t1,234\t5\nb.png\t512.25\t6\n")
    with pytest.raises(InvalidInputError, match="column 2: '1,234' is not a finite number"):
        datasets.read_keypoints_csv(path)
    path = text(tmp_path / "t.csv", "file;version;age\na.png;1.2;31,5\nb.png;1.3;7.5\n")
    assert datasets.read_table(path, "age").targets.tolist() == [31.5, 7.5]
    path = text(tmp_path / "t.csv", "file;share\na.png;0,125\nb.png;0.5\n")  # no thousands start with 0
    assert datasets.read_table(path, "share").targets.tolist() == [0.125, 0.5]
    for content in (
        "file\tlength\na.png\t1,234\nb.png\t512.25\n",
        'file,length\na.png,"1,234"\nb.png,512\n',
        'file,length\na.png,"31,5"\nb.png,7\n',
    ):
        path = text(tmp_path / "t.csv", content)
        with pytest.raises(InvalidInputError, match="row 2 has '(1,234|31,5)', which may be a number"):
            datasets.read_table(path, "length")
        assert len(datasets.read_table(path, "length", dtype=str).paths) == 2
    path = text(tmp_path / "t.csv", 'file,kind\na.png,"1,234"\nb.png,cat\n')
    assert datasets.read_table(path, "kind").targets.tolist() == ["1,234", "cat"]


def test_the_first_row_is_an_image_where_names_have_no_suffix(tmp_path):
    for i in range(3):
        (tmp_path / f"IM{i}").touch()
    rows = "IM0,1,2\nIM1,3,4\nIM2,5,6\n"
    table = datasets.read_keypoints_csv(text(tmp_path / "t.csv", rows))
    assert table.keypoints.tolist() == [[1, 2], [3, 4], [5, 6]]
    for header in ("file,x0,y0\n", "file,nose,nose\n", ",0,1\n"):
        assert len(datasets.read_keypoints_csv(text(tmp_path / "t.csv", header + rows)).paths) == 3
    four = "file,0,1,2,3\nIM0,1,2,3,4\n"  # titles that count
    assert datasets.read_keypoints_csv(text(tmp_path / "t.csv", four)).keypoints.tolist() == [[1, 2, 3, 4]]


def test_subjects_of_one_image_go_there_and_back(tmp_path):
    path = picture(tmp_path / "a.png")
    table = KeypointTable([path, path], [[1, 2], [30, 20]])
    datasets.write_keypoints_csv(table, tmp_path / "t.csv")
    back = datasets.read_keypoints_csv(tmp_path / "t.csv")
    assert (back.paths, back.keypoints.tolist()) == (table.paths, [[1, 2], [30, 20]])
    assert back.individuals.tolist() == ["1", "2"]
    with pytest.raises(
        InvalidInputError, match="keep one, or tell its subjects apart by a column 'individual'"
    ):
        datasets.read_keypoints_csv(text(tmp_path / "t.csv", "a.png,1,2\na.png,3,4\n"))


def test_a_quote_that_is_not_closed_swallows_no_rows(tmp_path):
    for i in range(3):
        picture(tmp_path / f"{i}.png")
    path = text(tmp_path / "t.csv", 'file,kind\n0.png,cat\n1.png,"dog\n2.png,dog\n')
    with pytest.raises(InvalidInputError, match="look for a quote that is not closed"):
        datasets.read_table(path, "kind")


@pytest.mark.parametrize(
    ("cells", "targets"),
    [
        (["001", "002", "010"], ["001", "002", "010"]),
        (["90071992547409921", "90071992547409922", "5"], ["90071992547409921", "90071992547409922", "5"]),
        (["-90071992547409921", "-2", "5"], ["-90071992547409921", "-2", "5"]),
        (["1", "NA", "2.5"], [1, NAN, 2.5]),
        (["0", "-0.5", "1e3"], [0, -0.5, 1000]),
        (["NA", "NA", "NA"], ["NA", "NA", "NA"]),
    ],
)
def test_labels_made_of_digits_stay_text(tmp_path, cells, targets):
    for i in range(3):
        picture(tmp_path / f"{i}.png")
    path = text(tmp_path / "t.csv", "file,y\n" + "".join(f"{i}.png,{cell}\n" for i, cell in enumerate(cells)))
    np.testing.assert_array_equal(datasets.read_table(path, "y").targets, targets)
    assert datasets.read_table(path, "y", dtype=str).targets.tolist() == cells
    with pytest.raises(InvalidInputError, match="dtype must be str, float or None. Got <class 'int'>"):
        datasets.read_table(path, "y", dtype=int)
    numbers = [NAN if cell == "NA" else float(cell) for cell in cells]
    np.testing.assert_array_equal(datasets.read_table(path, "y", dtype=float).targets, numbers)
    path.write_text(path.read_text() + "3.png,x\n")
    with pytest.raises(InvalidInputError, match="row 5 has 'x', which is no number"):
        datasets.read_table(path, "y", dtype=float)


def test_groups_made_of_digits_stay_text(tmp_path):
    path = text(tmp_path / "t.csv", "file,who,weight\n0.png,007,1\n1.png,7,NA\n")
    assert datasets.read_column(path, "who").tolist() == ["007", "7"]
    with pytest.raises(InvalidInputError, match="row 3 has no weight"):
        datasets.read_column(path, "weight")


# --------------------------------------------------------------------------- one name in two folders


def test_images_of_one_name_are_not_taken_for_each_other(tmp_path):
    for name in ("m1/a.png", "m2/a.png"):
        picture(tmp_path / "labeled-data" / name)
    head = "scorer,,,A,A\nbodyparts,,,nose,nose\ncoords,,,x,y\n"
    path = text(tmp_path / "all.csv", head + "labeled-data,m1,a.png,1,2\nlabeled-data,m2,a.png,3,4\n")
    assert names_of(datasets.read_deeplabcut(path)) == ["m1/a.png", "m2/a.png"]
    with pytest.raises(InvalidInputError, match="m1/a.png' and 'labeled-data/m2/a.png' would both be"):
        datasets.read_deeplabcut(path, image_folder=tmp_path / "labeled-data" / "m1")

    def task(folder):
        value = {"x": 10, "y": 20, "keypointlabels": ["nose"]}
        size = {"original_width": 60, "original_height": 40}
        result = {"id": folder, "type": "keypointlabels", "value": value, **size}
        image = f"/data/local-files/?d={folder}/a.png"
        return {"data": {"image": image}, "annotations": [{"result": [result]}]}

    with pytest.raises(InvalidInputError, match="'m1/a.png' and 'm2/a.png' would both be"):
        datasets.read_label_studio(
            text(tmp_path / "s.json", [task("m1"), task("m2")]), image_folder=tmp_path / "labeled-data" / "m1"
        )


def test_a_task_of_two_images_is_of_the_one_that_was_labelled(tmp_path):
    picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    value = {"x": 10, "y": 20, "keypointlabels": ["nose"]}
    result = {
        "id": "r",
        "type": "keypointlabels",
        "value": value,
        "original_width": 60,
        "original_height": 40,
    }
    task = {"data": {"thumb": "b.png", "photo": "a.png"}, "annotations": [{"result": [result]}]}
    with pytest.raises(InvalidInputError, match="is of 2 images, 'b.png' and 'a.png'; keep the field of one"):
        datasets.read_label_studio(text(tmp_path / "t.json", [task]))
    result["to_name"] = "photo"
    assert datasets.read_label_studio(text(tmp_path / "t.json", [task])).paths == [tmp_path / "a.png"]


def studio(*results):
    labels = [
        {"original_width": 60, "original_height": 40, "to_name": "front", **result} for result in results
    ]
    return [{"id": 5, "data": {"front": "a.png", "side": "b.png"}, "annotations": [{"result": labels}]}]


def spot(name, **more):
    value = {"x": 10, "y": 20, "keypointlabels": [name]}
    return {"id": name, "type": "keypointlabels", "value": value, **more}


def test_points_of_two_images_of_a_task_are_not_of_one(tmp_path):
    picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    tasks = studio(spot("nose"), spot("ear", to_name="side"))
    with pytest.raises(InvalidInputError, match="task 5 has keypoints of 2 images, 'front' and 'side'"):
        datasets.read_label_studio(text(tmp_path / "t.json", tasks))
    box = {"type": "rectanglelabels", "value": {"x": 0, "y": 0, "width": 50, "height": 50}}
    tasks = studio(spot("nose", parentID="own"), {**box, "id": "own"}, {**box, "id": "o", "to_name": "side"})
    assert datasets.read_label_studio(text(tmp_path / "t.json", tasks)).boxes.tolist() == [[0, 0, 30, 20]]


def test_labels_on_a_turned_image_are_refused(tmp_path):
    picture(tmp_path / "a.png")
    path = text(tmp_path / "t.json", studio(spot("nose", image_rotation=90)))
    with pytest.raises(InvalidInputError, match="task 5 was labelled on an image turned by 90 degrees"):
        datasets.read_label_studio(path)
    value = {"x": 0, "y": 0, "width": 50, "height": 50}
    other = {"id": "o", "type": "rectanglelabels", "value": value, "to_name": "side", "image_rotation": 90}
    path = text(tmp_path / "t.json", studio(spot("nose", image_rotation=0), other))
    assert datasets.read_label_studio(path).keypoints.tolist() == [[[6, 8]]]


def test_a_turned_box_reaches_to_its_corners(tmp_path):
    picture(tmp_path / "a.png")
    value = {"x": 50, "y": 10, "width": 20, "height": 25}  # 12 x 10 pixels, turned about (30, 4)
    for angle, box in ((0, [30, 4, 42, 14]), (90, [20, 4, 30, 16]), (-90, [30, -8, 40, 4])):
        turned = {"id": "b", "type": "rectanglelabels", "value": {**value, "rotation": angle}}
        table = datasets.read_label_studio(
            text(tmp_path / "t.json", studio(turned, spot("nose", parentID="b")))
        )
        np.testing.assert_allclose(table.boxes, [box], atol=1e-9)


def test_one_of_several_rectangles_is_no_box(tmp_path):
    picture(tmp_path / "a.png")
    head = {"imagePath": "a.png", "imageData": None, "flags": {}}
    point = {"label": "nose", "shape_type": "point", "points": [[5, 5]]}
    boxes = [
        {"label": name, "shape_type": "rectangle", "points": points}
        for name, points in (("face", [[0, 0], [9, 9]]), ("car", [[30, 30], [50, 30], [50, 39], [30, 39]]))
    ]
    for found, box in (
        ([], None),
        (boxes[:1], [[0, 0, 9, 9]]),
        (boxes[1:], [[30, 30, 50, 39]]),
        (boxes, None),
    ):
        table = datasets.read_labelme(text(tmp_path / "a.json", {**head, "shapes": [point, *found]}))
        assert (table.boxes is None) if box is None else table.boxes.tolist() == box
    shapes = [{**shape, "group_id": 1} for shape in (point, *boxes)]
    with pytest.raises(InvalidInputError, match="a.json has 2 rectangles of the subject 1; keep the one"):
        datasets.read_labelme(text(tmp_path / "a.json", {**head, "shapes": shapes}))
    others = [{**shape, "group_id": 2} for shape in boxes]  # of no subject with points
    shapes = [{**shape, "group_id": 1} for shape in (point, boxes[0])] + others
    table = datasets.read_labelme(text(tmp_path / "a.json", {**head, "shapes": shapes}))
    assert table.boxes.tolist() == [[0, 0, 9, 9]]


def test_skeletons_of_sleap_with_the_same_nodes_are_one(tmp_path, caplog):
    sio = pytest.importorskip("sleap_io")
    images = [str(picture(tmp_path / f"{i}.png")) for i in range(3)]
    video = sio.Video.from_filename(images)
    frames = []
    for i, nodes in enumerate((["a", "b"], ["b", "a"], ["c", "d"])):
        points, scores = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, 0.25])
        one = sio.PredictedInstance.from_numpy(
            points, skeleton=sio.Skeleton(nodes), point_scores=scores, score=0.5
        )
        frames.append(sio.LabeledFrame(video=video, frame_idx=i, instances=[one]))
    sio.save_slp(sio.Labels(frames), str(tmp_path / "x.slp"))
    table = datasets.read_sleap(tmp_path / "x.slp")
    assert table.names == ("a", "b")
    assert table.keypoints.tolist() == [[[1, 2], [3, 4]], [[3, 4], [1, 2]]]
    np.testing.assert_allclose(table.likelihood, [[0.5, 0.25], [0.25, 0.5]])
    assert "1 labelled animal(s) of other skeletons are left out" in caplog.text


def test_videos_of_one_name_keep_their_frames_apart(tmp_path):
    sio = pytest.importorskip("sleap_io")
    skeleton = sio.Skeleton(["nose"])
    images = [[str(picture(tmp_path / day / "f.png"))] for day in ("day1", "day2")]
    frames = [
        sio.LabeledFrame(
            video=sio.Video.from_filename(files),
            frame_idx=0,
            instances=[sio.Instance.from_numpy(np.array([[float(i), 5.0]]), skeleton=skeleton)],
        )
        for i, files in enumerate(images)
    ]
    sio.Labels(frames).save(str(tmp_path / "a.slp"))
    assert names_of(datasets.read_sleap(tmp_path / "a.slp")) == ["day1/f.png", "day2/f.png"]
    for grey, (file,) in zip((20, 180), images, strict=True):
        Image.new("RGB", (60, 40), (grey,) * 3).save(file)
    sio.Labels(frames).save(str(tmp_path / "b.pkg.slp"), embed=True, verbose=False)
    table = datasets.read_sleap(tmp_path / "b.pkg.slp", image_folder=tmp_path / "frames")
    assert [int(np.asarray(Image.open(path)).mean()) for path in table.paths] == [20, 180]
    Image.new("RGB", (60, 40), (77,) * 3).save(table.paths[1])  # as from another file of SLEAP's
    with pytest.raises(InvalidInputError, match="is there already, and is not frame 0 of"):
        datasets.read_sleap(tmp_path / "b.pkg.slp", image_folder=tmp_path / "frames")
    for (file,) in images:
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / file).rename(tmp_path / "elsewhere" / "f.png")
    with pytest.raises(InvalidInputError, match="would both be"):
        datasets.read_sleap(tmp_path / "a.slp", image_folder=tmp_path / "elsewhere")


# --------------------------------------------------------------------------- DeepLabCut

ANIMALS = (
    "scorer,,,A,A,A,A\nindividuals,,,resident,resident,intruder,intruder\n"
    "bodyparts,,,nose,nose,nose,nose\ncoords,,,x,y,x,y\n"
)


def test_individuals_keep_their_names(tmp_path):
    for i in (1, 2):
        picture(tmp_path / "labeled-data" / "v" / f"{i}.png")
    rows = "labeled-data,v,1.png,1,2,30,20\nlabeled-data,v,2.png,,,31,21\n"
    path = text(tmp_path / "labeled-data" / "v" / "CollectedData_A.csv", ANIMALS + rows)
    table = datasets.read_deeplabcut(path)
    assert table.individuals.tolist() == ["resident", "intruder", "intruder"]
    datasets.write_deeplabcut(table, path.with_name("out.csv"), scorer="A")
    np.testing.assert_array_equal(
        datasets.read_deeplabcut(path.with_name("out.csv")).keypoints, table.keypoints
    )
    written = path.with_name("out.csv").read_text().splitlines()
    assert written[1] == ANIMALS.splitlines()[1]
    assert written[-1] == "labeled-data,v,2.png,,,31.0,21.0"
    datasets.write_deeplabcut(
        table.take([0]), path.with_name("out.csv"), scorer="A"
    )  # one animal in each image
    assert path.with_name("out.csv").read_text().splitlines()[1] == "individuals,,,resident,resident"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "scorer,,,A,A,B,B\nbodyparts,,,nose,nose,nose,nose\ncoords,,,x,y,x,y\nlabeled-data,v,1.png,1,2,3,4\n",
            "nose x has several columns, of the scorers 'A' and 'B'; keep one",
        ),
        (
            "scorer,,,A,A\nbodyparts,,,nose,nose\ncoords,,,x,y\n" + "labeled-data,v,1.png,1,2\n" * 2,
            "'labeled-data/v/1.png' has 2 rows; keep one",
        ),
    ],
)
def test_no_label_replaces_another(tmp_path, content, words):
    picture(tmp_path / "labeled-data" / "v" / "1.png")
    with pytest.raises(InvalidInputError, match=words):
        datasets.read_deeplabcut(text(tmp_path / "labeled-data" / "v" / "CollectedData_A.csv", content))


# --------------------------------------------------------------------------- COCO, YOLO, pts, sizes


def coco(**changed):
    size = {"width": 60, "height": 40}
    return {
        "images": [{"id": i, "file_name": f"{i}.png", **size} for i in (1, 2)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "keypoints": [10 * i, 5, 2]} for i in (1, 2)
        ],
        "categories": [{"id": 1, "name": "cat", "keypoints": ["nose"]}],
        **changed,
    }


def test_joined_files_of_coco(tmp_path):
    for i in (1, 2):
        picture(tmp_path / f"{i}.png")
    twice = [
        {"id": 1, "file_name": "1.png"},
        {"id": 2, "file_name": "2.png"},
        {"id": 1, "file_name": "2.png"},
    ]
    with pytest.raises(InvalidInputError, match="image id 1 is of '1.png' and of '2.png'"):
        datasets.read_coco_keypoints(text(tmp_path / "a.json", coco(images=twice)))
    content = coco(categories=[{"id": i, "name": "cat", "keypoints": ["nose"]} for i in (1, 2)])
    content["annotations"][1]["category_id"] = 2
    table = datasets.read_coco_keypoints(text(tmp_path / "a.json", content))
    assert table.keypoints[:, 0].tolist() == [[10, 5], [20, 5]]
    content["categories"][1]["keypoints"] = ["ear"]
    with pytest.raises(InvalidInputError, match="2 categories 'cat' with different keypoints"):
        datasets.read_coco_keypoints(text(tmp_path / "a.json", content))


def test_fractions_are_likelihoods(tmp_path):
    for i in (1, 2):
        picture(tmp_path / f"{i}.png")
    content = coco()
    content["annotations"][0]["keypoints"][2] = 0.75
    content["annotations"][1]["keypoints"][2] = 1
    table = datasets.read_coco_keypoints(text(tmp_path / "a.json", content))
    assert (table.visibility, table.likelihood.tolist()) == (None, [[0.75], [1.0]])
    datasets.write_coco_keypoints(table, tmp_path / "b.json")
    back = datasets.read_coco_keypoints(tmp_path / "b.json")
    assert back.keypoints[:, 0].tolist() == [[10, 5], [20, 5]]
    content["annotations"][1]["keypoints"][2] = 1.5
    with pytest.raises(InvalidInputError, match="0, 1 or 2.*Got 1.5"):
        datasets.read_coco_keypoints(text(tmp_path / "a.json", content))


def test_predictions_of_yolo(tmp_path):
    pytest.importorskip("yaml")
    picture(tmp_path / "images" / "train" / "a.png", 40, 30)
    text(tmp_path / "labels" / "train" / "a.txt", "0 0.5 0.5 0.2 0.4 0.25 0.5 0.98 0.5 0.5 0.93\n")
    path = text(tmp_path / "d.yaml", "train: [images/train]\nkpt_shape: [2, 3]\nflip_idx: ['1', '0']\n")
    table = datasets.read_yolo_pose(path)
    assert (table.likelihood.tolist(), table.visibility) == ([[0.98, 0.93]], None)
    assert table.mirror_pairs == ((0, 1),)
    for content, words in (
        ("train: [images/train, more]\nkpt_shape: [2, 3]\n", "names 2 folders for 'train'"),
        ("train: images/train\nkpt_shape: ['2', 3]\n", "kpt_shape"),
        ("train: images/train\nkpt_shape: [2, 3]\npath: 5\n", None),
    ):
        path = text(tmp_path / "d.yaml", content)
        if words is None:
            assert len(datasets.read_yolo_pose(path).paths) == 1
        else:
            with pytest.raises(InvalidInputError, match=words):
                datasets.read_yolo_pose(path)


def test_points_of_yolo_have_the_names_of_their_class(tmp_path):
    pytest.importorskip("yaml")
    picture(tmp_path / "images" / "train" / "a.png", 40, 30)
    head = "train: images/train\nkpt_shape: [1, 2]\n"
    path = text(tmp_path / "d.yaml", head + "kpt_names:\n  0: [nose]\n  1: [tail]\n")
    labels = tmp_path / "labels" / "train" / "a.txt"
    text(labels, "1 0.5 0.5 0.2 0.4 0.25 0.5\n")
    assert datasets.read_yolo_pose(path).names == ("tail",)
    text(labels, "1 0.5 0.5 0.2 0.4 0.25 0.5\n0 0.5 0.5 0.2 0.4 0.25 0.5\n")
    with pytest.raises(InvalidInputError, match="of 2 classes, whose points have different names"):
        datasets.read_yolo_pose(path)
    text(path, head + "kpt_names:\n  0: [nose]\n  1: [nose]\n")
    assert datasets.read_yolo_pose(path).names == ("nose",)


def test_yolo_has_fractions_and_pairs(tmp_path):
    pytest.importorskip("yaml")
    picture(tmp_path / "images" / "train" / "a.png", 40, 30)
    labels = text(tmp_path / "labels" / "train" / "a.txt", "0 20 15 8 12 10 15 12 15 14 15\n")
    path = text(tmp_path / "d.yaml", "train: images/train\nkpt_shape: [3, 2]\n")
    with pytest.raises(InvalidInputError, match="a.txt, line 1 must have fractions of the image. Got 20"):
        datasets.read_yolo_pose(path)
    text(labels, "0 0.5 0.5 0.2 0.4 -0.1 0.5 0.3 1.1 0.3 0.5\n")  # a little outside
    assert datasets.read_yolo_pose(path).keypoints.tolist() == [[[-4, 15], [12, 33], [12, 15]]]
    text(labels, "0 0.5 0.5 0.2 0.4 0.25 0.5 2 5 7 0\n")  # only what is labelled counts
    text(path, "train: images/train\nkpt_shape: [2, 3]\n")
    np.testing.assert_array_equal(datasets.read_yolo_pose(path).keypoints, [[[10, 15], [NAN, NAN]]])
    text(labels, "0 0.5 0.5 0.2 0.4 -0.1 0.5 0.3 1.1 0.3 0.5\n")
    text(path, "train: images/train\nkpt_shape: [3, 2]\nflip_idx: [1, 2, 0]\n")
    with pytest.raises(InvalidInputError, match="flip_idx must exchange points in pairs"):
        datasets.read_yolo_pose(path)


def test_a_label_file_of_two_images_of_yolo(tmp_path):
    pytest.importorskip("yaml")
    folder = tmp_path / "images" / "train"
    picture(folder / "a.png"), picture(folder / "a.jpg", 40, 30)
    text(tmp_path / "labels" / "train" / "a.txt", "0 0.5 0.5 0.2 0.4 0.25 0.5\n")
    path = text(tmp_path / "d.yaml", "train: images/train\nkpt_shape: [1, 2]\n")
    with pytest.raises(
        InvalidInputError, match="a.txt is of 2 images, 'a.jpg' and 'a.png'; keep one of them"
    ):
        datasets.read_yolo_pose(path)


def test_a_pts_file_of_two_images(tmp_path):
    picture(tmp_path / "a.png", 600, 400), picture(tmp_path / "a.jpg")
    path = text(tmp_path / "a.pts", "version: 1\nn_points: 1\n{\n300 200\n}\n")
    with pytest.raises(InvalidInputError, match="a.pts is of 2 images, 'a.jpg' and 'a.png'; keep one"):
        datasets.read_pts(path)


def test_the_image_of_a_pts_file_is_found_without_asking_for_every_suffix(tmp_path, monkeypatch):
    for i in range(20):
        picture(tmp_path / f"{i}.PNG")
        text(tmp_path / f"{i}.pts", "version: 1\nn_points: 1\n{\n3 2\n}\n")
    asked = []
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path, **how: asked.append(path) or is_file(path, **how))
    assert len(datasets.read_pts(tmp_path).paths) == 20
    assert len(asked) < 60


def test_a_pts_file_that_was_cut_off(tmp_path):
    picture(tmp_path / "a.png")
    whole = "version: 1\nn_points: 2\n{\n1 1\n140 230\n}\n"
    assert datasets.read_pts(text(tmp_path / "a.pts", whole)).keypoints[0, 1].tolist() == [139, 229]
    with pytest.raises(InvalidInputError, match="points between two braces"):
        datasets.read_pts(text(tmp_path / "a.pts", whole[:-4]))


def test_images_of_another_size_than_the_labels(tmp_path):
    for i in (1, 2):
        picture(tmp_path / f"{i}.png")
    large = [{"id": i, "file_name": f"{i}.png", "width": 600, "height": 400} for i in (1, 2)]
    with pytest.raises(InvalidInputError, match="1.png is 60 x 40 pixels, but the labels are of 600 x 400"):
        datasets.read_coco_keypoints(text(tmp_path / "a.json", coco(images=large)))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / "a.jpg", exif=exif)
    shape = {"label": "nose", "points": [[1, 2]], "shape_type": "point"}
    content = {"shapes": [shape], "imagePath": "a.jpg", "imageWidth": 60, "imageHeight": 40}
    with pytest.raises(InvalidInputError, match=r"40 x 60 pixels.*60 x 40. It is stored turned \(EXIF\)"):
        datasets.read_labelme(text(tmp_path / "l" / ".." / "a.json", content))
    content |= {"imageWidth": 40, "imageHeight": 60}
    assert len(datasets.read_labelme(text(tmp_path / "a.json", content)).paths) == 1
