import dataclasses
import logging

import numpy as np
import pytest
from PIL import Image, ImageDraw

from transferkit.datasets import (
    Faces,
    _face_picture,
    make_faces,
    read_image_folder,
    read_keypoints_csv,
    read_table,
    write_faces,
)
from transferkit.datasets._face_shape import draw_camera, draw_head
from transferkit.datasets._paint import Brush
from transferkit.errors import InvalidInputError
from transferkit.keypoints import GROUPS, as_points
from transferkit.metrics import normalized_mean_error

# --------------------------------------------------------------------------- a folder for each class


@pytest.fixture
def folder(tmp_path):
    for name in ("dog/2.JPG", "dog/1.png", "cat/deep/er/3.webp", "cat/1.jpeg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_folder_is_read_in_order(folder):
    paths, labels = read_image_folder(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    assert names == ["cat/1.jpeg", "cat/deep/er/3.webp", "dog/1.png", "dog/2.JPG"]
    assert labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert labels.dtype.kind == "U"


def test_classes_choose_and_order(folder):
    assert read_image_folder(folder, classes=["dog", "cat"]).labels.tolist() == ["dog", "dog", "cat", "cat"]
    assert set(read_image_folder(str(folder), classes=["dog"]).labels) == {"dog"}
    assert set(read_image_folder(folder, classes="dog").labels) == {"dog"}


def test_side_files_are_skipped_and_others_counted(folder, caplog):
    for name in ("cat/._1.jpg", "cat/.DS_Store", "dog/Thumbs.db", "dog/notes.txt", "dog/README", "list.csv"):
        (folder / name).touch()
    for name in (".git", "__MACOSX", "dog/.cache"):
        (folder / name).mkdir()
        (folder / name / "9.jpg").touch()
    with caplog.at_level(logging.WARNING, logger="transferkit"):
        assert len(read_image_folder(folder).paths) == 4
    assert "1 with .txt, 1 with no suffix" in caplog.text
    assert "db" not in caplog.text


def test_images_beside_the_classes_are_counted(folder, caplog):
    assert not caplog.text
    for name in ("loose.jpg", "other.png", "notes.txt"):
        (folder / name).touch()
    n = len(read_image_folder(folder).paths)
    assert f"2 image(s) in {folder} itself, such as loose.jpg, are in no sub-folder" in caplog.text
    (folder / "loose.jpg").unlink(), (folder / "other.png").unlink()
    assert len(read_image_folder(folder).paths) == n


def test_missing_folder_and_file_are_told_apart(folder):
    with pytest.raises(InvalidInputError, match="does not exist"):
        read_image_folder(folder / "bird")
    with pytest.raises(InvalidInputError, match="It is a file"):
        read_image_folder(folder / "cat" / "1.jpeg")


def test_flat_folder_says_what_lies_in_it(folder):
    with pytest.raises(InvalidInputError, match=r"has none, but 2 image\(s\)"):
        read_image_folder(folder / "dog")


def test_every_empty_class_is_named(folder):
    (folder / "bird").mkdir()
    (folder / "fish").mkdir()
    (folder / "fish" / "fish.pdf").touch()
    with pytest.raises(InvalidInputError, match="'bird' and 'fish'"):
        read_image_folder(folder)
    assert len(read_image_folder(folder, classes=["cat", "dog"]).paths) == 4


@pytest.mark.parametrize("classes", [["cat", "bird"], [], ["cat", "cat"]])
def test_wrong_classes_are_answered_with_the_right_ones(folder, classes):
    with pytest.raises(InvalidInputError, match="sub-folders are 'cat' and 'dog'"):
        read_image_folder(folder, classes=classes)


# --------------------------------------------------------------------------- keypoints in a table


def write_table(path, *rows, header=",0,1,2,3"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def images(tmp_path):
    for name in ("training/a.jpg", "training/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_table_finds_its_images_beside_it(images):
    table = write_table(images / "training_frames_keypoints.csv", "a.jpg,1,2,3,4", "b.jpg,5.5,,nan,8")
    paths, keypoints = read_keypoints_csv(table)
    assert paths == [images / "training" / "a.jpg", images / "training" / "b.jpg"]
    np.testing.assert_array_equal(keypoints, [[1, 2, 3, 4], [5.5, np.nan, np.nan, 8]])


def test_table_finds_its_images_around_it_and_where_told(images):
    table = write_table(images / "training" / "points.csv", "a.jpg,1,2")
    assert read_keypoints_csv(table).paths == [images / "training" / "a.jpg"]
    table = write_table(images / "points.csv", "a.jpg,1,2")
    assert read_keypoints_csv(table, image_folder=images / "training").paths[0].is_file()
    assert read_keypoints_csv(write_table(images / "p.csv", "training/a.jpg,1,2")).paths[0].is_file()


def test_spreadsheet_habits_are_forgiven(images):
    table = images / "training" / "points.csv"
    table.write_bytes(
        b"\xef\xbb\xbfa.jpg , 1,2\r\n,,\r\n\r\nb.jpg,3,4\r\n"
    )  # BOM, spaces, blank rows, no header
    paths, keypoints = read_keypoints_csv(table)
    assert [path.name for path in paths] == ["a.jpg", "b.jpg"]
    assert keypoints.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["a.jpg,1,2,3,4", "b.jpg,1,x,3,4"], r"row 3 \(b.jpg\), column 3: 'x'"),
        (["a.jpg,1,2,3,inf"], "column 5: 'inf'"),
        (["a.jpg,1,2,3,4", "b.jpg,1,2"], r"row 3 \(b.jpg\) has 3 cells, but row 2 has 5"),
        (["a.jpg,1,2,3,4", "a.jpg,1,2,3,4"], "'a.jpg' occurs in 2 rows"),
        (["a.jpg,1,2,3,4", ",1,2,3,4"], "row 3 .*must start with a file name"),
        (["a.jpg,1,2,3"], r"even number.*Row 2 has 4 cell\(s\)"),
        (["a.jpg;1;2"], r"separated by commas, semicolons or tabs. Row 2 has 1 cell\(s\)"),
        (["c.jpg,1,2"], "'c.jpg', is not in .*image_folder="),
        ([], "no row"),
    ],
)
def test_mistakes_of_a_table_are_placed(images, rows, words):
    table = write_table(images / "training" / "t.csv", *rows)
    with pytest.raises(InvalidInputError, match=words):
        read_keypoints_csv(table)


def test_all_mistakes_are_counted_and_the_first_ones_shown(images):
    table = write_table(images / "t.csv", *(f"{i}.jpg,x,1" for i in range(15)))
    with pytest.raises(InvalidInputError, match="and 5 more") as caught:
        read_keypoints_csv(table)
    assert len(caught.value.problems) == 11


def test_wrong_places_are_named(images):
    table = write_table(images / "t.csv", "a.jpg,1,2")
    with pytest.raises(InvalidInputError, match="is not a folder"):
        read_keypoints_csv(table, image_folder=images / "nowhere")
    with pytest.raises(InvalidInputError, match=r"'a\.jpg' was expected in it"):
        read_keypoints_csv(table, image_folder=images)
    with pytest.raises(InvalidInputError, match="current folder"):
        read_keypoints_csv(images / "u.csv")
    with pytest.raises(InvalidInputError, match="It is a folder"):
        read_keypoints_csv(images)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match="UTF-8"):
        read_keypoints_csv(table)


# --------------------------------------------------------------------------- drawn faces


def test_faces_have_the_promised_form():
    faces = make_faces(40, size=32)
    assert faces.images.shape == (40, 32, 32, 3)
    assert faces.images.dtype == np.uint8
    assert set(faces.labels) == {"glasses", "no_glasses"}
    assert faces.keypoints.shape == (40, 136)
    assert faces.keypoints.min() > -0.5
    assert faces.keypoints.max() < 31.5


def test_a_seed_gives_its_faces_and_a_longer_set_begins_with_a_shorter():
    long, short = make_faces(8, size=32, random_state=5), make_faces(3, size=32, random_state=5)
    for more, few in zip(long, short, strict=True):
        np.testing.assert_array_equal(more[:3], few)
    assert not np.array_equal(short.images, make_faces(3, size=32, random_state=6).images)
    assert len(np.unique(long.images.reshape(8, -1), axis=0)) == 8


def test_another_size_shows_the_same_faces():
    """Twice the size, averaged over 2 x 2 pixels, is the same picture; one pixel aside it is not."""
    small, large = make_faces(6, size=64, clutter=0), make_faces(6, size=128, clutter=0)
    np.testing.assert_allclose(large.keypoints, 2 * small.keypoints + 0.5)
    assert small.labels.tolist() == large.labels.tolist()
    reduced = large.images.reshape(6, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    difference = np.abs(reduced - small.images).mean()
    assert difference < 3
    for axis in (1, 2):
        assert np.abs(np.roll(reduced, 1, axis) - small.images).mean() > 2 * difference


def test_clutter_hides_the_same_faces():
    plain, cluttered = make_faces(6, size=48, clutter=0), make_faces(6, size=48)
    np.testing.assert_array_equal(plain.keypoints, cluttered.keypoints)
    assert plain.labels.tolist() == cluttered.labels.tolist()
    corners = np.diff(plain.images[:, :6, :6].astype(int), axis=2)
    assert np.abs(corners).max() <= 3  # a wall without things or grain
    assert np.abs(np.diff(cluttered.images[:, :6, :6].astype(int), axis=2)).max() > 10


def test_without_pose_everybody_looks_straight():
    def turns(pose):
        """How far the tip of the nose lies beside the middle of the eyes, and the slope of the eyes."""
        points = as_points(make_faces(20, size=16, pose=pose).keypoints)
        eyes, nose = points[:, 45] - points[:, 36], points[:, 30] - points[:, [36, 45]].mean(axis=1)
        beside = (nose * eyes).sum(axis=-1) / (eyes**2).sum(axis=-1)
        return np.abs(beside).mean(), np.abs(eyes[:, 1] / eyes[:, 0]).mean()

    (nose, slope), (turned_nose, turned_slope) = turns(0), turns(1)
    assert turned_nose > 0.1 > 5 * nose
    assert turned_slope > 0.05 > 3 * slope


def test_all_points_lie_inside_the_picture_however_the_head_turns():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        points = draw_head(rng).points
        flat = draw_camera(rng, points, 1.0).project(points)
        assert flat.min() > 0.02 - 1e-9
        assert flat.max() < 0.98 + 1e-9


def test_the_label_says_who_wears_glasses(monkeypatch):
    faces = make_faces(12, size=48)
    monkeypatch.setattr(_face_picture, "paint_glasses", lambda *arguments: None)
    bare = make_faces(12, size=48)
    differs = (faces.images != bare.images).any(axis=(1, 2, 3))
    assert differs.tolist() == (faces.labels == "glasses").tolist()


@pytest.mark.slow
def test_faces_are_hard_enough_that_a_model_can_be_wrong():
    points = make_faces(300, size=16, clutter=0).keypoints
    mean_shape = np.repeat(points[:200].mean(axis=0, keepdims=True), 100, axis=0)
    assert 0.15 < normalized_mean_error(points[200:], mean_shape) < 0.3


SKIN, LIPS, BROW = (0, 200, 0), (220, 0, 0), (0, 0, 220)


@pytest.fixture(scope="module")
def signal_faces():
    """Faces in pure colours, without shadow, so that each part can be found in the picture."""
    with pytest.MonkeyPatch.context() as patch:
        draw_looks = _face_picture.draw_looks

        def pure_looks(rng):
            return dataclasses.replace(
                draw_looks(rng),
                skin=SKIN,
                lips=LIPS,
                brow=BROW,
                beard=0.0,
                hat=None,
                hairline=-0.8,
                fringe=0.0,
            )

        patch.setattr(_face_picture, "draw_looks", pure_looks)
        patch.setattr(_face_picture, "paint_glasses", lambda *arguments: None)
        patch.setattr(_face_picture, "shading", lambda head, camera, size, rng: np.ones((size, size)))
        faces = make_faces(8, size=256, random_state=3, clutter=0)
    return faces.images.astype(float), as_points(faces.keypoints)


def filled(points, size=256):
    """The pixels of a polygon through the points, drawn independently at 8 times the size."""
    canvas = Image.new("L", (8 * size, 8 * size))
    ImageDraw.Draw(canvas).polygon(((points + 0.5) * 8 - 0.5).ravel().tolist(), fill=255)
    return np.asarray(canvas.reduce(8)) > 127


def dominant(image, channel):
    """The pixels where one colour is stronger than the others together."""
    return image[..., channel] > 1.1 * np.delete(image, channel, axis=-1).max(axis=-1) + 10


def centre(mask):
    return np.argwhere(mask)[:, ::-1].mean(axis=0)


@pytest.mark.parametrize("shape", ["fill", "stroke", "disc"])
def test_shapes_are_drawn_around_their_points(shape):
    generator, gaps = np.random.default_rng(0), []
    for _ in range(200):
        centre = generator.uniform(0.35, 0.65, 2)
        image = Image.new("L", (40, 40))
        brush = Brush(image)
        if shape == "fill":
            brush.fill(centre + 0.2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), 255)
        elif shape == "stroke":
            brush.stroke(centre + 0.2 * np.array([[-1, -1], [1, 1]]), 0.075, 255)
        else:
            brush.disc(centre, 0.2, 0.1, 255)
        rows, columns = np.nonzero(np.asarray(image))
        gaps.append([columns.mean() + 0.5, rows.mean() + 0.5] - 40 * centre)
    np.testing.assert_allclose(np.mean(gaps, axis=0), 0, atol=0.08)


def test_keypoints_of_the_mouth_lie_where_the_lips_are(signal_faces):
    for image, points in zip(*signal_faces, strict=True):
        mouth = filled(points[list(GROUPS["outer_mouth"])])
        low, high = np.argwhere(mouth).min(axis=0) - 4, np.argwhere(mouth).max(axis=0) + 5
        window = np.zeros_like(mouth)
        window[low[0] : high[0], low[1] : high[1]] = True
        teeth = image.min(axis=-1) > 100
        expected, found = mouth & ~teeth, dominant(image, 0) & window
        assert (expected & found).sum() > 0.88 * (expected | found).sum()
        np.testing.assert_allclose(centre(found), centre(expected), atol=0.5)


def test_keypoints_of_the_brows_lie_on_them(signal_faces):
    for image, points in zip(*signal_faces, strict=True):
        blue = dominant(image, 2)
        for brow in ("right_eyebrow", "left_eyebrow"):
            for column, row in points[list(GROUPS[brow])][1:4].round().astype(int):
                assert blue[row - 1 : row + 2, column - 1 : column + 2].any()  # brows are thin


def test_the_jaw_ends_at_its_keypoints(signal_faces):
    for image, points in zip(*signal_faces, strict=True):
        green = image[..., 1] / np.quantile(image[..., 1][dominant(image, 1)], 0.9)
        for i in range(5, 12):
            # Two pixels inside is the face; two pixels outside is the shadow on the neck, cloth or wall.
            step = 2 * (points[i] - points[30]) / np.linalg.norm(points[i] - points[30])
            inner, outer = ((points[i] + sign * step).round().astype(int) for sign in (-1, 1))
            assert green[inner[1], inner[0]] > 0.97
            assert not (dominant(image, 1)[outer[1], outer[0]] and green[outer[1], outer[0]] > 0.97)


def test_the_pupil_lies_between_the_eye_points(signal_faces):
    for image, points in zip(*signal_faces, strict=True):
        reach = np.linalg.norm(points[45] - points[36])
        for eye in ("right_eye", "left_eye"):
            contour = points[list(GROUPS[eye])]
            if contour[4:, 1].mean() - contour[1:3, 1].mean() < 0.07 * reach:
                continue  # nearly shut: little to see
            pupil = filled(contour) & (image.max(axis=-1) < 40)
            assert np.linalg.norm(centre(pupil) - contour.mean(axis=0)) < 0.07 * reach  # gaze included


def test_written_faces_are_read_back(tmp_path):
    faces = make_faces(6, size=32)
    table = write_faces(faces, tmp_path / "new" / "faces")
    paths, keypoints = read_keypoints_csv(table)
    np.testing.assert_array_equal(keypoints, faces.keypoints)
    np.testing.assert_array_equal([np.asarray(Image.open(path)) for path in paths], faces.images)
    assert [path.parent.name for path in paths] == faces.labels.tolist()
    folder = read_image_folder(table.parent)
    assert sorted(paths) == folder.paths
    with pytest.raises(InvalidInputError, match="new or empty folder"):
        write_faces(faces, table.parent)
    with pytest.raises(InvalidInputError, match="new or empty folder"):
        write_faces(faces, table)


def test_all_wrong_arguments_are_named_at_once():
    with pytest.raises(InvalidInputError) as caught:
        make_faces(0, size=8.0, random_state=-1, pose="2", clutter=float("nan"))
    assert [text.split()[0] for text in caught.value.problems] == [
        "n",
        "size",
        "random_state",
        "pose",
        "clutter",
    ]


def test_faces_is_a_plain_tuple():
    assert Faces._fields == ("images", "labels", "keypoints")


@pytest.fixture
def people(tmp_path):
    """A function that writes a table, beside its images."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()

    def write(*rows):
        (tmp_path / "people.csv").write_text("\n".join(rows))
        return tmp_path / "people.csv"

    return write


def test_a_table_of_numbers_or_labels(people):
    table = people("file,age,name", "a.jpg, 31,Ann", "", "b.jpg,,Bob")
    paths, ages = read_table(table, "age")
    assert [path.name for path in paths] == ["a.jpg", "b.jpg"]
    np.testing.assert_array_equal(ages, [31, np.nan])
    np.testing.assert_array_equal(read_table(table, ["age"]).targets, [[31], [np.nan]])
    assert read_table(table, "name", image_folder=table.parent).targets.tolist() == ["Ann", "Bob"]
    table = people("file,number", "a.jpg,1_0", "b.jpg,2_1")
    assert read_table(table, "number").targets.tolist() == ["1_0", "2_1"]
    table = people("file,labels", "a.jpg,cat; outdoor", "b.jpg,")
    assert read_table(table, "labels").targets.tolist() == [("cat", "outdoor"), ()]


@pytest.mark.parametrize(
    ("rows", "target", "message"),
    [
        (["file,age", "a.jpg,1"], "size", "target must name columns of .*people.csv: 'age'. Got 'size'"),
        (["file,age", "a.jpg,1"], "file", "target must name columns"),
        (["file,age", "a.jpg,1,2"], "age", "row 2 has 3 cells, but the header 2"),
        (["file,age"], "age", "expected a row for each image"),
        (["file,age", "a.jpg,x", "b.jpg,"], "age", "row 3 has no label"),
        (["file,age,size", "a.jpg,1,inf"], ["age", "size"], "row 2 has 'inf', which is no number"),
        (["file,age", "a.jpg,1", "a.jpg,2"], "age", "'a.jpg' occurs in 2 rows; keep one"),
        (
            ["file,age", "a.jpg,1", "./a.jpg,2"],
            "age",
            r"'a.jpg' occurs in 2 rows, also as './a.jpg'; keep one",
        ),
        (["file,age", "a.jpg,1", ",2"], "age", "row 3 has no file name"),
        (["file,age,age", "a.jpg,1,2"], "age", "'age' is the name of 2 columns"),
        (["file,age", "c.jpg,1"], "age", "'c.jpg', is not in .*image_folder="),
    ],
)
def test_tables_that_cannot_be_read(people, rows, target, message):
    with pytest.raises(InvalidInputError, match=message):
        read_table(people(*rows), target)
