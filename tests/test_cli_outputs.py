"""What commands write: never over what they read, over each other, or over the work of a person."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_pictures
from transferkit import audit, load
from transferkit.cli import main
from transferkit.cli._split import split
from transferkit.errors import InvalidInputError

TRAIN = ["--backbone", "scattering", "--image-size", "32", "--head", "linear", "--no-progress"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    paths, labels = make_pictures(tmp_path / "flat", 40)
    rows = []
    for i, (path, label) in enumerate(zip(paths, labels, strict=True)):
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "photos" / label / path.name)
        rows.append(f"photos/{label}/{path.name},{label},{i % 2},00{i % 2}")
    (tmp_path / "people.csv").write_text("file,label,sex,code\n" + "\n".join(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(photos, capsys):
    assert main(["train", "photos", *TRAIN, "--output", "m.safetensors"]) == 0
    capsys.readouterr()
    return "m.safetensors"


def refused(arguments, capsys, words, *kept):
    """Check that a command is refused and that files stay as they are."""
    before = [(file, file.read_bytes()) for file in kept]
    assert main([str(argument) for argument in arguments]) == 2
    assert words in capsys.readouterr().err
    assert all(file.read_bytes() == content for file, content in before)


def test_no_output_replaces_an_input(photos, model, capsys):
    table, saved = photos / "people.csv", photos / model
    image = next((photos / "photos").rglob("*.png"))
    train = ["train", "people.csv", "--target", "label", *TRAIN]
    refused([*train, "--output", "people.csv"], capsys, "--output must not be people.csv, which", table)
    refused(["report", model, "photos", "--output", model], capsys, "must end in .html", saved)
    refused(["card", model, "--output", model], capsys, f"--output must not be {model}", saved)
    refused(["export", model, model], capsys, f"must not be {model}", saved)
    query = ["neighbours", "photos", "--query", image, "--out", image, "--backbone", "scattering"]
    refused(query, capsys, "--out must not be", image)
    query[3] = photos / "people.csv"
    refused(query, capsys, "--out must not be", image)  # it is below a folder that is searched
    page = ["audit", "photos", "--checks", "files", "--html", "people.csv", "--csv", "a.csv"]
    refused(page, capsys, "--html must end in .html: the page is HTML. Got people.csv", table)
    (photos / "link.html").symlink_to(model)
    refused(["report", model, "photos", "--output", "link.html"], capsys, "--output must not be link", saved)


def test_a_model_does_not_replace_its_network(photos, capsys):
    onnx = pytest.importorskip("onnx")
    from tests.onnx_graphs import cnn

    onnx.save(cnn(), photos / "net.onnx")
    arguments = ["train", "photos", "--backbone", "net.onnx", "--mean", "127", "--std", "127"]
    words = "--output must not be net.onnx, which this command reads"
    refused([*arguments, "--output", "net.onnx"], capsys, words, photos / "net.onnx")


def test_outputs_are_different_files(photos, capsys):
    refused(
        ["train", "photos", *TRAIN, "--output", "m.md", "--card"],
        capsys,
        "--card must be a file of its own. Got m.md",
    )
    refused(
        ["audit", "photos", "--backbone", "scattering", "--html", "a.csv", "--csv", "a.csv"],
        capsys,
        "--csv must be a file of its own. Got a.csv",
    )
    assert not (photos / "m.md").exists()


@pytest.mark.slow
def test_labels_that_a_person_filled_in_are_not_lost(photos, capsys):
    image = next((photos / "photos").rglob("*.png"))
    twin = next(one for one in (photos / "photos").iterdir() if one != image.parent) / "twin.png"
    twin.write_bytes(image.read_bytes())
    asked = ["audit", "photos", "--backbone", "scattering", "--image-size", "32", "--no-progress"]
    assert main([*asked, "--csv", "found.csv"]) == 0
    assert main([*asked, "--csv", "found.csv"]) == 0  # nothing is lost
    capsys.readouterr()
    lines = (photos / "found.csv").read_text(encoding="utf-8-sig").splitlines()
    place = lines[0].split(",").index("new_label")
    cells = lines[1].split(",")
    cells[place] = "left"
    (photos / "found.csv").write_text("\n".join([lines[0], ",".join(cells)]))
    refused([*asked, "--csv", "found.csv"], capsys, "has 1 new label(s)", photos / "found.csv")
    report = audit("photos", checks=["duplicates"], backbone="scattering", image_size=32)
    with pytest.raises(InvalidInputError, match="delete it once relabel has read it"):
        report.to_csv("found.csv")


def test_a_card_that_somebody_added_to_is_kept(photos, capsys):
    (photos / "m.md").write_text("Licence: CC BY")
    train = ["train", "photos", *TRAIN, "--output", "m.safetensors", "--card"]
    refused(train, capsys, "m.md would be replaced", photos / "m.md")
    assert not (photos / "m.safetensors").exists()


def test_flags_that_would_have_no_effect(photos, model, capsys):
    refused(["evaluate", model, "photos", "--limit", "0.1"], capsys, "--limit is for keypoints. Got 0.1")
    compare = ["compare", "photos", "--backbones", "scattering", "--cv", "2", "--limit", "3"]
    refused(compare, capsys, "--limit is for keypoints")
    refused(["train", "photos", *TRAIN, "--image-folder", "photos"], capsys, "is for the images of a table")
    refused(["train", "photos", *TRAIN, "--as-labels"], capsys, "--as-labels is for the column that --target")


def test_classes_may_be_numbers(photos, capsys):
    train = ["train", "people.csv", *TRAIN, "--output", "sex.safetensors", "--target"]
    assert main([*train, "sex"]) == 0
    printed = capsys.readouterr()
    assert "mean absolute error" in printed.out
    assert (
        "sex is learned as numbers, of which there are few. If they are labels, pass --as-labels"
        in printed.err
    )
    assert main([*train, "sex", "--as-labels"]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert load("sex.safetensors").classes_.tolist() == ["0", "1"]
    assert main([*train, "code"]) == 0  # 000 and 001 are no numbers
    assert load("sex.safetensors").classes_.tolist() == ["000", "001"]


def test_numbers_of_several_columns_keep_their_names(photos, capsys):
    rows = (photos / "people.csv").read_text().splitlines()[1:]
    lines = [f"{row.split(',')[0]},{i},{100 - i}" for i, row in enumerate(rows)]
    (photos / "two.csv").write_text("file,age,weight\n" + "\n".join(lines))
    train = ["train", "two.csv", *TRAIN, "--output", "two.safetensors", "--target", "age,weight"]
    assert main(train) == 0
    assert load("two.safetensors").output_names_ == ("age", "weight")
    assert main(["evaluate", "two.safetensors", "two.csv", "--target", "age,weight"]) == 0
    compared = ["compare", "two.csv", "--backbones", "scattering", "--cv", "2", "--image-size", "32"]
    assert main([*compared, "--head", "linear", "--target", "age,weight"]) == 0
    swapped = ["evaluate", "two.safetensors", "two.csv", "--target", "weight,age"]
    refused(swapped, capsys, "columns 'weight' and 'age' but the y of fit has 'age' and 'weight'")


def test_a_model_that_cannot_be_judged_is_kept(photos, capsys):
    names = sorted(path.relative_to(photos).as_posix() for path in (photos / "photos").rglob("*.png"))
    _, tested = split(len(names), None, None, 0.2, 0)
    rows = [f"{name},{5 + i % 7},6," + (",", "20,21")[i not in tested] for i, name in enumerate(names)]
    (photos / "points.csv").write_text("file,x0,y0,x1,y1\n" + "\n".join(rows))
    assert main(["train", "points.csv", *TRAIN, "--output", "points.safetensors"]) == 2  # of no size
    printed = capsys.readouterr().err
    assert "transferkit: wrote points.safetensors" in printed
    assert "No image has an error" in printed
    assert load("points.safetensors").n_points_ == 2


def test_images_that_train_leaves_out_are_named(photos, capsys):
    names = sorted(path.relative_to(photos).as_posix() for path in (photos / "photos").rglob("*.png"))
    learned, tested = split(len(names), None, None, 0.2, 0)
    (photos / "t.csv").write_text("file,age\n" + "\n".join(f"{name},{i}" for i, name in enumerate(names)))
    bad = [names[learned[0]], names[tested[0]]]
    for name in bad:
        (photos / name).write_bytes(b"no image, " + name.encode())
    assert main(["train", "t.csv", "--target", "age", *TRAIN]) == 1
    printed = capsys.readouterr().err
    assert all(f"transferkit: {name}: is text" in printed for name in bad)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_rows_of_files_whose_names_are_no_text_are_written(photos, model):
    names = [photos / "a\udce9.png", photos / "b.png"]
    for name in names:
        name.write_bytes(next((photos / "photos").rglob("*.png")).read_bytes())
    for encoding, words in (("utf-8:strict", b"a\xe9.png"), ("ascii:strict", b"a\\udce9.png")):
        run = subprocess.run(
            [sys.executable, "-m", "transferkit", "predict", model, *names],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert words in run.stdout
        assert run.stdout.count(b"\n") == 3


def test_a_class_has_one_weight(photos, capsys):
    with pytest.raises(SystemExit):
        main(["train", "photos", *TRAIN, "--class-weight", "left=2,right=1,left=5"])
    assert "expected one weight for each class. Got 'left' twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked", [["backbones"], ["backbones", "scattering"]]
)  # more than a buffer, and less
def test_whoever_reads_the_beginning_only_is_not_told_of_an_error(asked):
    command = [sys.executable, "-m", "transferkit", *asked]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered)
    process.stdout.close()
    assert process.communicate()[1] == b""
    assert process.returncode == 141


@pytest.mark.slow
def test_a_text_file_is_not_taken_for_a_path(tmp_path, capsys):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("hi")
    arguments = ["neighbours", str(tmp_path), "--query", str(tmp_path / "b.png"), "--backbone", "scattering"]
    main([*arguments, "--image-size", "32", "--no-progress"])
    error = capsys.readouterr().err
    assert "text that begins with 'hi'. Remove or replace it." in error
    assert "bytes" not in error
