"""The command line: results on stdout, complaints on stderr, exit codes."""

import argparse
import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import transferkit
from tests.conftest import make_pictures
from transferkit import list_backbones
from transferkit.cli import main
from transferkit.cli._flags import in_flags
from transferkit.errors import WeightsError


@pytest.fixture
def folder(tmp_path):
    """A folder with a sub-folder per class."""
    paths, labels = make_pictures(tmp_path / "flat", 40)
    root = tmp_path / "photos"
    for path, label in zip(paths, labels, strict=True):
        (root / label).mkdir(parents=True, exist_ok=True)
        path.rename(root / label / path.name)
    return root


def test_train_and_predict(folder, tmp_path, capsys):
    """The real thing, on the scattering backbone."""
    model = tmp_path / "model.safetensors"
    common = ["--backbone", "scattering", "--image-size", "32"]
    assert main(["train", str(folder), *common, "--output", str(model)]) == 0
    out = capsys.readouterr().out
    assert "accuracy" in out
    assert "on 8 images that training never saw (95 % interval" in out
    assert f"model   {model}" in out

    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    assert main(["predict", str(model), str(folder / "left"), str(bad), "--csv"]) == 1
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert len(rows) == 20
    assert set(rows[0]) == {"path", "label", "p_left", "p_right"}
    assert float(rows[0]["p_left"]) + float(rows[0]["p_right"]) == pytest.approx(1, abs=2e-4)
    assert f"{bad}: " in captured.err

    assert main(["predict", str(model), str(folder / "left" / "0000.png")]) == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t")[0].endswith("0000.png")

    assert main(["evaluate", str(model), str(folder), "--pos-label", "left"]) == 0
    assert "Positive class: 'left', the first" in capsys.readouterr().out
    (folder / "left" / "bad.png").write_bytes(b"")
    assert main(["evaluate", str(model), str(folder), "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["n_skipped"] == 1
    assert "bad.png: " in captured.err

    common = ["--image-size", "32", "--cv", "3"]
    assert main(["compare", str(folder), "--backbones", "scattering", *common]) == 1
    out = capsys.readouterr().out
    assert "scattering" in out
    assert "1 images could not be read" in out

    assert main(["cache", "info"]) == 0
    assert "rows" in capsys.readouterr().out
    assert main(["cache", "clear"]) == 0
    assert "Freed" in capsys.readouterr().out


def test_train_keypoints(tmp_path, capsys):
    generator = np.random.default_rng(0)
    with (tmp_path / "points.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["", "0", "1", "2", "3"])
        for i in range(30):
            pixels = generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{i}.png")
            writer.writerow([f"{i}.png", *generator.uniform(5, 35, 4)])
    model = tmp_path / "model.safetensors"
    arguments = [str(tmp_path / "points.csv"), "--backbone", "scattering", "--image-size", "32"]
    assert main(["train", *arguments, "--output", str(model)]) == 0
    out = capsys.readouterr().out
    assert "of box_size on 6 images that training never saw; the mean shape" in out
    assert main(["predict", str(model), str(tmp_path / "0.png"), "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0].strip() == "path,x0,y0,x1,y1"
    table = str(tmp_path / "points.csv")
    assert main(["evaluate", str(model), table, "--normalizer", "box_diagonal"]) == 0
    assert "in percent of box_diagonal (--normalizer chooses)" in capsys.readouterr().out
    assert main(["evaluate", str(model), table, "--normalizer", "20"]) == 0
    assert "in percent of 20 pixels" in capsys.readouterr().out


def test_train_on_the_labels_of_a_tool(tmp_path, capsys):
    from transferkit.datasets import KeypointTable, write_deeplabcut

    generator = np.random.default_rng(0)
    paths = [tmp_path / "labeled-data" / f"film{i % 4}" / f"{i}.png" for i in range(24)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(path)
    points = generator.uniform(5, 35, (24, 2, 2))
    table = KeypointTable(paths, points, names=("earL", "earR"), folder=tmp_path)
    write_deeplabcut(table, tmp_path / "labels.csv")
    model = tmp_path / "model.safetensors"
    arguments = ["--backbone", "scattering", "--image-size", "32", "--output", str(model)]
    assert main(["train", str(tmp_path / "labels.csv"), *arguments]) == 0
    assert "on 6 images that training never saw" in capsys.readouterr().out  # one film of four
    assert transferkit.load(model).mirror_pairs is not None
    assert main(["train", str(tmp_path / "labels.csv"), "--boxes", *arguments]) == 2
    assert "boxes are not in this data" in capsys.readouterr().err


def test_points_in_another_order_are_not_those_of_the_model(tmp_path, capsys):
    generator = np.random.default_rng(0)
    rows = []
    for i in range(20):
        Image.fromarray(generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        rows.append([f"{i}.png", *generator.uniform(5, 35, 6)])
    for file, names in (("a.csv", ["nose", "l_eye", "r_eye"]), ("b.csv", ["l_eye", "r_eye", "nose"])):
        with (tmp_path / file).open("w", newline="") as stream:
            titles = [f"{name}_{axis}" for name in names for axis in "xy"]
            csv.writer(stream).writerows([["file", *titles], *rows])
    model, a, b = (str(tmp_path / name) for name in ("m.safetensors", "a.csv", "b.csv"))
    assert main(["train", a, "--backbone", "scattering", "--image-size", "32", "--output", model]) == 0
    assert main(["evaluate", model, a]) == 0
    assert main(["evaluate", model, b]) == 2
    assert "point 1 is the mirror image of point 0 in this file, and of point 2" in capsys.readouterr().err


@pytest.fixture
def crowd(tmp_path):
    """COCO files of pictures with two subjects each, and with one."""
    from transferkit.datasets import KeypointTable, write_coco_keypoints

    generator = np.random.default_rng(0)
    paths, points, boxes = [], [], []
    for number in range(12):
        path = tmp_path / f"{number:02}.png"
        pixels = np.full((60, 120, 3), 20, np.uint8)
        for left in (5, 65):
            x, y = generator.integers(10, 40, 2)
            pixels[y : y + 8, left + x : left + x + 8] = 250
            paths.append(path)
            points.append([[left + x, y], [left + x + 7, y], [left + x, y + 7]])
            boxes.append([left, 0, left + 50, 50])
        Image.fromarray(pixels).save(path)
    table = KeypointTable(paths, points, boxes=np.array(boxes, dtype=float), folder=tmp_path)
    write_coco_keypoints(table, tmp_path / "two.json")
    write_coco_keypoints(table.take(np.arange(0, 24, 2)), tmp_path / "one.json")
    return tmp_path


def test_boxes_of_a_file_are_used_where_images_have_several_subjects(crowd, capsys):
    two, one, model = (str(crowd / name) for name in ("two.json", "one.json", "model.safetensors"))
    arguments = ["--backbone", "scattering", "--image-size", "32", "--refine", "0", "--output", model]
    assert main(["train", two, *arguments]) == 0
    said = capsys.readouterr().out
    assert "on 4 subjects that training never saw" in said  # two of twelve images
    assert "the model needs one for each subject" in said
    assert main(["evaluate", model, two]) == 0
    assert "24 images of 3 points" in capsys.readouterr().out
    assert main(["evaluate", model, one]) == 0
    capsys.readouterr()
    assert main(["predict", model, two, "--csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 25
    left, right = (float(row.split(",")[1]) for row in rows[1:3])
    assert left < 60 < right
    assert main(["predict", model, two, "--csv", "--return-error"]) == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header.endswith("x2,y2,error0,error1,error2")
    assert first.startswith(rows[1])
    assert float(first.split(",")[-1]) > 0
    assert main(["evaluate", model, two, "--return-error"]) == 0
    assert "Mean error of a point: expected" in capsys.readouterr().out
    assert main(["predict", model, str(crowd / "00.png")]) == 2
    assert "images must be one file of keypoints with boxes" in capsys.readouterr().err
    compared = [
        "compare",
        two,
        "--backbones",
        "scattering",
        "--cv",
        "2",
        "--image-size",
        "32",
        "--no-progress",
    ]
    assert main([*compared, "--refine", "0"]) == 0
    assert "24 images" in capsys.readouterr().out


def test_boxes_of_one_subject_in_each_image_are_used_when_asked_for(crowd, capsys):
    one, model = str(crowd / "one.json"), str(crowd / "model.safetensors")
    arguments = ["--backbone", "scattering", "--image-size", "32", "--refine", "0", "--output", model]
    assert main(["train", one, *arguments]) == 0
    assert not transferkit.load(model).boxed_
    assert main(["evaluate", model, str(crowd / "two.json")]) == 2
    assert "the model was trained on whole images" in capsys.readouterr().err
    assert main(["train", one, "--boxes", *arguments]) == 0
    assert transferkit.load(model).boxed_


@pytest.fixture
def shades(tmp_path):
    """A table of grey pictures with their shade, its square, and a label."""
    rows = []
    for i in range(30):
        shade = 20 + 7 * i
        Image.fromarray(np.full((30, 30, 3), shade, np.uint8)).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{shade},{shade**2},{'dark' if i < 15 else 'bright'}")
    (tmp_path / "table.csv").write_text("file,shade,square,name\n" + "\n".join(rows))
    return tmp_path


def test_train_numbers_and_labels_of_a_table(shades, capsys):
    model, table = str(shades / "model.safetensors"), str(shades / "table.csv")
    common = ["--backbone", "pixels", "--image-size", "32", "--output", model]
    assert main(["train", table, "--target", "shade", *common]) == 0
    assert re.search(r"error [\d.]+ on 6 images.*R² [\d.]+; always saying the", capsys.readouterr().out)
    assert main(["predict", model, str(shades / "0.png"), "--csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "path,value"
    assert abs(float(row.split(",")[1]) - 20) < 10
    assert main(["evaluate", model, table, "--target", "shade"]) == 0
    assert "mean absolute error" in capsys.readouterr().out
    assert main(["train", table, "--target", "shade,square", *common]) == 0
    assert main(["predict", model, str(shades / "0.png"), "--csv"]) == 0
    assert "path,shade,square" in capsys.readouterr().out
    assert main(["train", table, "--target", "name", *common]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert main(["compare", table, "--target", "shade", "--backbones", "pixels", "--cv", "2"]) == 0
    assert "R² on 30 images" in capsys.readouterr().out


def test_several_labels_of_a_table(shades, capsys):
    model, table = str(shades / "model.safetensors"), shades / "labels.csv"
    names = [";".join(name for name, there in (("dark", i < 15), ("odd", i % 2)) if there) for i in range(30)]
    table.write_text("file,labels\n" + "\n".join(f"{i}.png,{name}" for i, name in enumerate(names)))
    common = ["--backbone", "pixels", "--image-size", "32", "--output", model]
    assert main(["train", str(table), "--target", "labels", *common]) == 0
    assert re.search(r"micro F1 [\d.]+% on 6 images.*always saying", capsys.readouterr().out)
    assert main(["predict", model, str(shades / "0.png"), "--csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "path,labels,p_dark,p_odd"
    assert "dark" in row.split(",")[1].split(";")
    table.write_text("file,labels\n0.png,dark\n1.png,odd\n")  # none of several
    assert main(["evaluate", model, str(table), "--target", "labels"]) == 0
    assert "2 images, 2 labels" in capsys.readouterr().out


def test_targets_that_are_no_columns(shades, capsys):
    table = str(shades / "table.csv")
    assert main(["train", table, "--target", "age"]) == 2
    assert "--target must name columns of" in (error := capsys.readouterr().err)
    assert "'shade', 'square' or 'name'. Got 'age'" in error
    assert main(["train", str(shades), "--target", "age"]) == 2
    assert "--target is for the columns of a CSV" in capsys.readouterr().err


def test_train_one_keypoint(tmp_path, capsys):
    (tmp_path / "points.csv").write_text("file,x,y\n" + "".join(f"{i}.png,{i + 5},9\n" for i in range(10)))
    for i in range(10):
        Image.fromarray(np.full((30, 30, 3), 20 * i, np.uint8)).save(tmp_path / f"{i}.png")
    arguments = [str(tmp_path / "points.csv"), "--backbone", "scattering", "--image-size", "32"]
    assert main(["train", *arguments, "--output", str(tmp_path / "model.safetensors")]) == 0
    assert re.search(r"mean error [\d.]+ pixels on 2 images.*: [\d.]+ pixels", capsys.readouterr().out)


def test_backbones(capsys):
    assert main(["backbones"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(list_backbones())
    row = next(line for line in lines if line.startswith("dinov2_small ")).split(None, 7)
    assert row[1:3] == ["224", "56"]
    assert row[-1] == "dinov2_small of KerasHub"
    assert main(["backbones", "vgg*"]) == 0
    assert "vgg19" in capsys.readouterr().out


def test_info_has_what_a_bug_report_needs(capsys, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", "/somewhere")
    assert main(["info"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["transferkit"] == transferkit.__version__
    assert lines["numpy"] == np.__version__
    assert "keras" in lines["engines"]
    assert lines["TRANSFERKIT_WEIGHTS"] == "/somewhere"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "no-such-folder"], "There is nothing at no-such-folder"),
        (["train", ".", "--backbone", "vgg_61"], f"`transferkit backbones` for all {len(list_backbones())}."),
        (["train", ".", "--backbone", "xception", "--image-size", "64"], "--image-size must be at least 71"),
        (["train", ".", "--backbone", "xception", "--image-size", "64"], "Pass --image-size 71 or more"),
        (["train", ".", "--seed", "-1", "--backbone", "scattering"], "--seed must be an integer"),
        (["compare", ".", "--backbones", "scattering", "--cv", "1"], "--cv must be 2 folds or more"),
        (["compare", ".", "--backbones", "scattering", "--metric", "x"], "--metric must be 'accuracy'"),
        (["train", ".", "--test-fraction", "2"], "--test-fraction must be between 0 and 1"),
        (["predict", "no-model.safetensors", "x.jpg"], "There is no model at"),
        (["evaluate", "no-model.safetensors", "."], "There is no model at"),
        (["compare", ".", "--backbones", "vgg_61"], "Unknown backbone"),
        (["backbones", "xyz*"], "No backbone matches"),
        (["demo", "--images", "5"], "at least 60 images"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_2(
    arguments, message, folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(folder)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.startswith("transferkit: ")
    assert "Traceback" not in captured.err


def test_offline_weights(folder, capsys, monkeypatch):
    from transferkit.backbones import weights

    def offline(row):
        raise WeightsError(weights._offline_message(row, weights._places(row)[-1]), name=row.name)

    monkeypatch.setattr(weights, "_download", offline)
    assert main(["train", str(folder)]) == 2
    message = capsys.readouterr().err
    assert "mobilenet_1_0_224_tf_no_top.h5" in message
    assert "--backbone scattering needs no weights" in message
    assert "or pass --weights <file>" in message
    assert "--weights none gives random ones" in message


def test_wrong_usage_exits_with_2():
    with pytest.raises(SystemExit) as caught:
        main(["fly"])
    assert caught.value.code == 2


def test_interrupted(monkeypatch, capsys):
    from transferkit.cli import backbones

    def stop(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(backbones, "run", stop)
    assert main(["backbones"]) == 130
    assert "goes on from there" in capsys.readouterr().err


def test_module_entry():
    command = [sys.executable, "-m", "transferkit", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("transferkit 0.")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Pass layers='last' or the name of one.", "no flag for layers; in Python, that is a parameter."),
        ("photos/image_size=3/x.png is truncated", "photos/image_size=3/x.png is truncated"),
        ("the second (pos_label= chooses)", "the second (--pos-label chooses)"),
        ("random_state must be an integer", "--seed must be an integer"),
        ('weights must be "imagenet"', '--weights must be "imagenet"'),
        ("Got weights='a b.h5'. Leave weights out.", "Got --weights a b.h5. Leave weights out."),
        ("my_weights=3", "my_weights=3"),
        ("Call transferkit.list_layers() for all.", "Run `transferkit layers BACKBONE` for all."),
    ],
)
def test_messages_name_flags(message, expected):
    options = argparse.Namespace(image_size=None, pos_label=None, weights=None, seed=0)
    assert expected in in_flags(message, options)


def test_neighbours(folder, tmp_path, capsys):
    (folder / "right" / "bad.png").write_bytes(b"")
    query, picture = folder / "left" / "0002.png", tmp_path / "answers.png"
    common = ["--backbone", "pixels", "--image-size", "32", "--k", "2"]
    arguments = ["neighbours", str(folder), "--query", str(query), *common]
    assert main([*arguments, "--csv", "--out", str(picture)]) == 1
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert [(row["query"], row["rank"]) for row in rows] == [(str(query), "1"), (str(query), "2")]
    assert (rows[0]["path"], rows[0]["distance"]) == (str(query), "0")
    assert "bad.png: " in captured.err
    with Image.open(picture) as drawn:
        assert drawn.width > drawn.height
    (folder / "right" / "bad.png").unlink()
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[0] == "query\trank\tdistance\tpath"
    for wrong, message in (
        (["--k", "0"], "--k must be a positive integer"),
        (["--k", "99"], "--k must be 40 or less"),
        (["--out", str(tmp_path / "no" / "a.png")], "--out must be a file in a folder that exists"),
        (["--out", str(tmp_path / "a.weird")], "--out must end in .png, or in one of "),
    ):
        assert main([*arguments, *wrong]) == 2
        assert message in capsys.readouterr().err


def test_audit(folder, tmp_path, capsys):
    copy = tmp_path / "test" / "right" / "again.png"
    copy.parent.mkdir(parents=True)
    copy.write_bytes((folder / "left" / "0002.png").read_bytes())
    common = ["--backbone", "pixels", "--image-size", "32", "--no-progress"]
    arguments = ["audit", str(folder), *common, "--checks", "duplicates, files"]
    page, table = tmp_path / "a.html", tmp_path / "a.csv"
    assert (
        main([*arguments, "--test", str(copy.parent.parent), "--html", str(page), "--csv", str(table)]) == 0
    )
    captured = capsys.readouterr()
    assert "error     duplicate_across" in captured.out
    assert f"wrote {page}" in captured.err
    assert f"wrote {table}" in captured.err
    with table.open(newline="", encoding="utf-8-sig") as stream:
        first = next(csv.DictReader(stream))
    assert (first["kind"], first["path"]) == ("duplicate_across", str(copy))
    assert page.read_text(encoding="utf-8").count("<img") >= 2
    (folder / "right" / "bad.png").write_bytes(b"")
    assert main(arguments) == 1
    assert "unreadable" in capsys.readouterr().out
    for wrong, message in (
        (["--checks", "colour"], "--checks must be some of"),
        (["--html", str(tmp_path / "no" / "a.html")], "--html must be a file in a folder that exists"),
        (["--test", str(copy)], "--test must be a folder of images"),
    ):
        assert main([*arguments, *wrong]) == 2
        assert message in capsys.readouterr().err


def test_an_onnx_file_is_a_backbone(folder, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from tests.onnx_graphs import cnn

    onnx.save(cnn(), tmp_path / "net.onnx")
    model = tmp_path / "model.safetensors"
    common = ["--backbone", str(tmp_path / "net.onnx")]
    arguments = ["train", str(folder), *common, "--head", "linear", "--output", str(model)]
    assert main([*arguments, "--mean", "127.5", "127.5", "127.5", "--std", "127.5"]) == 0
    capsys.readouterr()
    assert main(["predict", str(model), str(folder / "left")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 21
    for wrong, message in (
        ([*arguments], "--mean 0, --std 255"),
        ([*arguments, "--mean", "1", "2", "--std", "1"], "--mean must be a number"),
        (["train", str(folder), "--backbone", "pixels", "--mean", "1"], "--mean is for ONNX files"),
    ):
        assert main(wrong) == 2
        assert message in capsys.readouterr().err


def test_train_on_corrected_labels(folder, tmp_path, capsys):
    wrong, table = folder / "left" / "0001.png", tmp_path / "corrected.csv"
    (folder / "right" / "0001.png").rename(wrong)
    table.write_text(f"path;label;new_label\n{wrong};left;right\n")
    common = ["--backbone", "pixels", "--image-size", "32", "--output", str(tmp_path / "m.safetensors")]
    assert main(["train", str(folder), *common, "--relabel", str(table)]) == 0
    captured = capsys.readouterr()
    assert "1 label of 40 images changed" in captured.err
    assert "accuracy" in captured.out
    table.write_text(f"path;label;new_label\n{wrong};left;rihgt\n")
    assert main(["train", str(folder), *common, "--relabel", str(table)]) == 2
    assert "Did you mean 'right'?" in capsys.readouterr().err


@pytest.mark.slow
def test_card_and_report(folder, tmp_path, capsys):
    model, page = tmp_path / "m.safetensors", tmp_path / "report.html"
    common = ["--backbone", "pixels", "--image-size", "32"]
    assert main(["train", str(folder), *common, "--card", "--output", str(model)]) == 0
    text = model.with_suffix(".md").read_text(encoding="utf-8")
    assert "## Test" in text
    capsys.readouterr()
    assert main(["card", str(model)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Model card: Classifier on pixels")
    assert "No figures of a test" in out
    assert main(["card", str(model), "--output", str(tmp_path / "card.html")]) == 0
    assert (tmp_path / "card.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    (folder / "left" / "bad.png").write_bytes(b"")
    arguments = ["report", str(model), str(folder), "--checks", "files", "--output", str(page)]
    assert main(arguments) == 1
    assert f"wrote {page}" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8").count("data:image/png") == 5
    assert main([*arguments[:-1], str(tmp_path / "no" / "a.html")]) == 2
    assert "--output must be a file in a folder that exists" in capsys.readouterr().err
