"""What is drawn where: positions, numbers, labels."""

from itertools import pairwise
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from transferkit import Classifier, plots
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.keypoints import GROUPS

LABELS = np.array(["cat", "cat", "cat", "dog"])
PROBABILITIES = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]])
IMAGES = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.full((1, 10, 20, 3), 50, np.uint8)


@pytest.fixture(autouse=True)
def tidy():
    yield
    plt.close("all")


@pytest.fixture
def axes():
    """Axes that pyplot knows nothing of: an array of twelve."""
    return Figure().subplots(2, 6)


@pytest.fixture
def ax():
    return Figure().subplots()


def evaluation(**changes):
    values = {
        "y_true": LABELS,
        "probabilities": PROBABILITIES,
        "classes": np.array(["cat", "dog"]),
        "pos_label": "cat",
        "images": IMAGES,
        "names": [f"/photos/{i}.jpg" for i in range(4)],
        "confusion_matrix": np.array([[1, 2], [1, 0]]),
    }
    return SimpleNamespace(**values | changes)


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line_of(ax, label):
    return next(line for line in ax.lines if label in str(line.get_label()))


def test_history_has_the_loss_first_and_marks_the_best_epoch(axes):
    rows = [
        {"epoch": i, "accuracy": a, "loss": b, "val_accuracy": 0.5, "val_loss": c, "seconds": 9.0}
        for i, a, b, c in ((1, 0.6, 3.0, 2.0), (2, 0.7, 2.0, 1.0), (3, 0.8, 1.0, 4.0))
    ]
    loss, accuracy = plots.plot_history(SimpleNamespace(history_=rows), ax=axes)
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("Loss", "Accuracy")
    assert texts(loss) == ["training", "validation", "best epoch: 2"]
    np.testing.assert_array_equal(line_of(loss, "training").get_xydata(), [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_array_equal(line_of(accuracy, "training").get_ydata(), [0.6, 0.7, 0.8])
    assert line_of(accuracy, "best").get_xdata()[0] == 2


def test_history_marks_the_epoch_that_the_head_kept():
    rows = [
        {"epoch": i, "loss": 1.0, "val_loss": i, "accuracy": 1.0, "val_accuracy": i / 9} for i in (1, 3, 2)
    ]
    for monitor, kept in (("accuracy", 3), ("loss", 1)):
        history = SimpleNamespace(history_=rows, head_=SimpleNamespace(monitor=monitor))
        assert line_of(plots.plot_history(history)[0], "best").get_xdata()[0] == kept


def test_history_of_penalties_and_without_validation(axes):
    rows = [{"penalty": 0.1, "squared_error": 0.4}, {"penalty": 1.0, "squared_error": 0.3}]
    (panel,) = plots.plot_history(rows, ax=axes)
    assert panel.get_xscale() == "log"
    assert "best penalty: 1" in texts(panel)
    (panel,) = plots.plot_history([{"epoch": 1, "loss": 1.0}])
    assert texts(panel) == ["training"]
    with pytest.raises(InvalidInputError, match="row per epoch or per penalty"):
        plots.plot_history([{"layers": "a+b", "penalty": 0.1, "squared_error": 0.4}])


def test_confusion_matrix_has_counts_and_shares_of_the_row(ax):
    plots.plot_confusion_matrix(LABELS, ["cat", "dog", "dog", "dog"], ax=ax)
    assert [text.get_text() for text in ax.texts] == ["1\n33%", "2\n67%", "0\n0%", "1\n100%"]
    assert [to_hex(text.get_color()) for text in ax.texts] == ["#000000", "#ffffff", "#000000", "#ffffff"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Predicted", "Actual")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog"]


def test_confusion_matrix_of_an_evaluation_and_of_a_class_without_images(ax):
    plots.plot_confusion_matrix(evaluation(), ax=ax)
    assert ax.texts[1].get_text() == "2\n67%"
    other = plots.plot_confusion_matrix(["a"], ["a"], classes=["a", "a class with a long name"])
    assert other.texts[3].get_text() == "0\n0%"
    assert other.get_xticklabels()[0].get_rotation() == 45
    with pytest.raises(InvalidInputError, match=r"Missing: \['b'\]"):
        plots.plot_confusion_matrix(["a"], ["b"], classes=["a"])


@pytest.mark.slow
def test_roc_of_the_class_that_is_looked_for(ax):
    plots.plot_roc(evaluation(), ax=ax)  # cat: 0.9, 0.3 and 0.2 against 0.6
    assert texts(ax) == ["cat: AUC 0.333"]
    assert texts(plots.plot_roc(LABELS, PROBABILITIES)) == ["dog: AUC 0.333"]
    line = line_of(ax, "AUC")
    assert line.get_xydata()[0].tolist() == [0, 0]
    assert line.get_xydata()[-1].tolist() == [1, 1]
    assert [0, 1 / 3] in line.get_xydata().tolist()


def test_roc_of_one_column_follows_pos_label():
    scores = PROBABILITIES[:, 0]
    assert texts(plots.plot_roc(LABELS, scores, pos_label="cat")) == ["cat: AUC 0.333"]
    assert texts(plots.plot_roc(LABELS, 1 - scores)) == ["dog: AUC 0.333"]


def test_roc_of_several_evaluations_and_of_several_classes(ax):
    plots.plot_roc({"train": evaluation(), "validation": (LABELS, PROBABILITIES)}, pos_label="cat", ax=ax)
    assert texts(ax) == ["train: AUC 0.333", "validation: AUC 0.333"]
    styles = [(line.get_color(), line.get_linestyle()) for line in ax.lines[:2]]
    assert styles[0][0] != styles[1][0]
    assert styles[0][1] != styles[1][1]
    labels, rows = np.array([0, 1, 2]), np.eye(3)
    assert texts(plots.plot_roc(labels, rows)) == [f"{i}: AUC 1.000" for i in range(3)]
    assert texts(plots.plot_roc(labels, rows, pos_label=1)) == ["1: AUC 1.000"]
    both = plots.plot_roc({"a": (labels, rows), "b": (labels, rows)})
    assert texts(both)[4] == "b, 1: AUC 1.000"
    assert both.lines[1].get_color() == both.lines[4].get_color() != both.lines[0].get_color()


def test_roc_leaves_out_a_class_without_images():
    assert texts(plots.plot_roc([0, 1], np.eye(3)[:2], classes=[0, 1, 2])) == ["0: AUC 1.000", "1: AUC 1.000"]
    with pytest.raises(InvalidInputError, match="labels of both kinds"):
        plots.plot_roc([0, 0], np.eye(2), classes=[0, 1])
    with pytest.raises(InvalidInputError, match=r"\(2, 2\).*Got \(2, 3\)"):
        plots.plot_roc([0, 1], np.ones((2, 3)))
    with pytest.raises(InvalidInputError, match="one of .* Got 'cow'"):
        plots.plot_roc(LABELS, PROBABILITIES, pos_label="cow")
    with pytest.raises(InvalidInputError, match="together with probabilities"):
        plots.plot_roc(LABELS)


def test_calibration_has_equally_filled_bins(ax):
    probability = np.repeat([0.1, 0.2], 10)
    truth = np.array([0] * 9 + [1] + [0] * 5 + [1] * 5)
    plots.plot_calibration(truth, probability, n_bins=2, ax=ax)
    np.testing.assert_allclose(line_of(ax, "1").get_xydata(), [[0.1, 0.1], [0.2, 0.5]])
    assert texts(ax) == ["1", "perfect"]


def test_mistakes_are_worst_first(axes):
    made = plots.plot_mistakes(evaluation(), ax=axes)
    assert [panel.get_title().split("\n") for panel in made] == [
        ["Actual: cat", "Predicted: dog (80%)"],
        ["Actual: cat", "Predicted: dog (70%)"],
        ["Actual: dog", "Predicted: cat (60%)"],
    ]
    assert [panel.get_xlabel() for panel in made] == ["2.jpg", "1.jpg", "3.jpg"]
    assert [panel.images[0].get_array()[0, 0, 0] for panel in made] == [100, 50, 150]
    assert len(plots.plot_mistakes(evaluation(), n=2)) == 2


def test_no_mistakes_and_no_images():
    (panel,) = plots.plot_mistakes([0, 1], np.eye(2), images=IMAGES[:2])
    assert panel.texts[0].get_text() == "No mistakes among 2 images"
    with pytest.raises(InvalidInputError, match="Pass images="):
        plots.plot_mistakes(evaluation(images=None))
    with pytest.raises(InvalidInputError, match="4 rows but there are 3 images"):
        plots.plot_mistakes(evaluation(images=IMAGES[:3]))


def test_images_are_drawn_from_all_of_them_in_their_order():
    labels = np.arange(100)
    images = np.zeros((100, 8, 8, 3), np.uint8)
    shown = [int(panel.get_title()) for panel in plots.plot_images(images, labels)]
    assert len(shown) == 15
    assert shown == sorted(shown)
    assert max(shown) > 50
    first = [int(panel.get_title()) for panel in plots.plot_images(images, labels, n=3, random_state=None)]
    assert first == [0, 1, 2]
    with pytest.raises(InvalidInputError, match="n must be a positive integer. Got 0"):
        plots.plot_images(images, n=0)


def test_images_of_files(tmp_path, pictures):
    paths, labels = pictures
    panels = plots.plot_images(paths[:2], labels[:2])
    assert [panel.get_title() for panel in panels] == ["left", "right"]
    with pytest.raises(BadImageError):
        plots.plot_images([tmp_path / "none.png"])


def test_large_pictures_keep_their_coordinates(ax):
    """They are thinned out, so that points would else lie in the wrong place."""
    plots.plot_keypoints(np.zeros((1100, 2200, 3), np.uint8), [[2000.0, 1000.0]], ax=ax)
    assert ax.images[0].get_array().shape[0] < 600
    assert ax.get_xlim() == (-0.5, 2199.5)
    assert ax.get_ylim() == (1099.5, -0.5)
    assert ax.lines[0].get_xydata().tolist() == [[2000, 1000]]


def test_a_point_far_off_does_not_make_the_picture_small(ax):
    plots.plot_keypoints(IMAGES[0], [[500.0, 5.0]], ax=ax)
    assert ax.get_xlim() == (-0.5, 19.5)


def test_keypoints_are_joined_by_region_and_truth_is_white(ax):
    points = np.random.default_rng(0).uniform(0, 9, (68, 2))
    plots.plot_keypoints(IMAGES[0], points.ravel(), points + 1, ax=ax)
    white = [line for line in ax.lines if line.get_color() == "white"]
    coloured = [line for line in ax.lines if line.get_color() != "white"]
    assert len(white) == len(coloured) == len(GROUPS)
    jaw, eye = coloured[0].get_xydata(), coloured[list(GROUPS).index("right_eye")].get_xydata()
    np.testing.assert_array_equal(jaw, points[:17])
    np.testing.assert_array_equal(eye, points[[36, 37, 38, 39, 40, 41, 36]])
    np.testing.assert_array_equal(white[0].get_xydata(), points[:17] + 1)
    assert "white" in ax.get_xlabel()


def test_mirror_pairs_are_an_option(ax):
    points = np.random.default_rng(0).uniform(0, 9, (68, 2))
    plots.plot_keypoints(IMAGES[0], points, mirror_pairs=True, ax=ax)
    drawn = [line.get_xydata().tolist() for line in ax.lines if line.get_color() == "white"]
    assert len(drawn) == 29
    assert points[[36, 45]].tolist() in drawn
    assert "white" not in ax.get_xlabel()
    with pytest.raises(InvalidInputError, match="68 points of the face. Got 5 points"):
        plots.plot_keypoints(IMAGES[0], points[:5], mirror_pairs=True)


def test_skeletons_are_drawn(ax):
    points = np.array([[1.0, 2.0], [3, 4], [5, 6]])
    plots.plot_keypoints(IMAGES[0], points, skeleton=((0, 1), (1, 2)), ax=ax)
    assert [line.get_xdata().tolist() for line in ax.lines[:2]] == [[1, 3], [3, 5]]
    for wrong in ([(0, 3)], [(0,)], 5):
        with pytest.raises(InvalidInputError, match=r"skeleton must be pairs of points in 0..2"):
            plots.plot_keypoints(IMAGES[0], points, skeleton=wrong)


def test_any_number_of_points_with_missing_ones_on_several_images(axes):
    points = np.ones((4, 5, 2))
    points[0, 2] = np.nan
    made = plots.plot_keypoints(list(IMAGES), points, n=3, ax=axes)
    assert len(made) == 3
    assert made[0].lines[0].get_linestyle() == "None"
    assert np.isnan(made[0].lines[0].get_xydata()[2]).all()
    for wrong, message in (
        ((points[:3],), "3 rows but there are 4"),
        ((points, points[:, :4]), "same shape"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            plots.plot_keypoints(IMAGES, *wrong)
    with pytest.raises(InvalidInputError, match="points are required"):
        plots.plot_keypoints(IMAGES)


def test_keypoints_of_an_evaluation_are_worst_first(axes):
    found = SimpleNamespace(
        images=IMAGES,
        predicted=np.arange(4)[:, None, None] * np.ones((4, 3, 2)),
        true=np.zeros((4, 3, 2)),
        errors=np.array([0.1, np.nan, 0.3, 0.2]),
        names=["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
    )
    made = plots.plot_keypoints(found, ax=axes)
    assert [panel.get_title() for panel in made][:2] == ["c.jpg\nerror 30.0%", "d.jpg\nerror 20.0%"]
    assert made[0].lines[-1].get_xdata()[0] == 2
    assert made[3].get_title().startswith("b.jpg")
    found.images = None
    with pytest.raises(InvalidInputError, match="no images"):
        plots.plot_keypoints(found)


def test_error_curve_is_in_percent_with_area_and_failures(ax):
    both = {
        "one": np.array([0.0, 0.04, 0.5, np.nan]),
        "two": SimpleNamespace(errors=[0.02], unit="pupils"),
    }
    plots.plot_error_curve(both, ax=ax)
    assert texts(ax) == ["one: AUC@0.08 0.500, 33.3% beyond", "two: AUC@0.08 0.750, 0.0% beyond"]
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0, 0], [2, 100], [8, 100]])
    assert ax.lines[0].get_drawstyle() == "steps-post"
    assert ax.get_xlim() == (0, 8)
    assert ax.get_xlabel() == "Error (%)"
    alone = plots.plot_error_curve(both["two"], limit=0.1)
    assert alone.get_xlabel() == "Error (% of pupils)"
    assert texts(alone) == ["AUC@0.1 0.800, 0.0% beyond"]


def test_filters_of_one_image_have_scales_of_their_own(axes):
    maps = np.arange(5 * 6 * 4, dtype=np.float32).reshape(5, 6, 4)
    made = plots.plot_activations(maps, filters=[2, 0], ax=axes)
    assert [panel.get_title() for panel in made] == ["2", "0"]
    np.testing.assert_array_equal(made[0].images[0].get_array(), maps[..., 2])
    assert made[0].images[0].get_clim() == (maps[..., 2].min(), maps[..., 2].max())
    assert len(plots.plot_activations(maps[None], n=3)) == 3


def test_one_filter_over_images_has_one_scale(axes):
    maps = np.random.default_rng(0).normal(size=(4, 5, 6, 3))
    made = plots.plot_activations(maps, filters=1, ax=axes)
    assert len(made) == 4
    np.testing.assert_array_equal(made[3].images[0].get_array(), maps[3, ..., 1])
    assert {panel.images[0].get_clim() for panel in made} == {(maps[..., 1].min(), maps[..., 1].max())}
    for filters in (None, [0, 1]):
        with pytest.raises(InvalidInputError, match="the index of one filter"):
            plots.plot_activations(maps, filters=filters)
    for wrong in (3, -1):
        with pytest.raises(InvalidInputError, match=r"0\.\.2"):
            plots.plot_activations(maps, filters=wrong)
    with pytest.raises(InvalidInputError, match="vector have no maps"):
        plots.plot_activations(np.ones((4, 5)))


def test_class_activation_covers_the_picture(ax):
    maps = (np.array([[1.0, -2.0], [0.0, 0.5]]), np.array([[3.0]]))
    activation = SimpleNamespace(
        label="dog", score=4.0, intercept=1.5, layers=("fine", "last"), maps=maps, picture=IMAGES[2]
    )
    activation.total = lambda: maps[0] + maps[1] / 4
    plots.plot_class_activation(activation, ax=ax)
    picture, overlay = ax.images
    assert picture.get_extent() == overlay.get_extent() == [-0.5, 19.5, 9.5, -0.5]
    np.testing.assert_array_equal(overlay.get_array(), maps[0] + 0.75)
    assert overlay.get_clim() == (-1.75, 1.75)
    assert ax.get_title() == "dog: score +4.00"
    assert ax.get_xlabel() == "base +1.50, all layers +2.50"
    one = plots.plot_class_activation(activation, layer="fine")
    np.testing.assert_array_equal(one.images[1].get_array(), maps[0])
    assert one.get_xlabel() == "base +1.50, fine -0.50"
    weak, strong = overlay.cmap(overlay.norm(np.array([-1.75, 1.75])))
    assert weak[2] > weak[0]  # blue against
    assert strong[0] > strong[2]  # orange for
    with pytest.raises(InvalidInputError, match="'fine' or 'last'. Got 'none'"):
        plots.plot_class_activation(activation, layer="none")


@pytest.mark.slow
def test_comparison_has_intervals_and_marks_noise(axes):
    def figure(value, low, high):
        return SimpleNamespace(value=value, low=low, high=high)

    rows = [
        SimpleNamespace(name="a", score=figure(0.9, 0.8, 0.95), difference=None),
        SimpleNamespace(name="b", score=figure(0.8, 0.7, 0.85), difference=figure(-0.1, -0.2, 0.1)),
        SimpleNamespace(name="c", score=figure(0.5, 0.4, 0.6), difference=figure(-0.4, -0.5, -0.3)),
    ]
    table = SimpleNamespace(rows=rows, metric="balanced_accuracy", greater_is_better=True)
    scores, differences = plots.plot_comparison(table, ax=axes)
    assert [label.get_text() for label in scores.get_yticklabels()] == ["a", "b", "c"]
    assert scores.get_xlabel() == "Balanced accuracy, with interval"
    assert scores.lines[0].get_xydata().tolist() == [[0.8, 0], [0.95, 0]]
    assert scores.get_ylim()[0] > scores.get_ylim()[1]  # the first on top
    dots = [line for line in differences.lines if line.get_marker() in ("o", "D")]
    assert [dot.get_xdata()[0] for dot in dots] == [0, -0.1, -0.4]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [False, True, False]
    table.greater_is_better = False
    rows[2].difference = None
    other = plots.plot_comparison(table)[1]
    assert next(line for line in other.lines if line.get_marker() == "D").get_ydata()[0] == 2


@pytest.mark.parametrize("letter", ["e", "中"])
def test_titles_of_mistakes_stay_over_their_panels(letter):
    labels = [letter * 30 + "1", letter * 30 + "2"]
    truth = [labels[0]] * 8
    made = plots.plot_mistakes(truth, [[0, 1]] * 8, classes=labels, images=[IMAGES[0]] * 8, columns=4)
    made[0].figure.canvas.draw()
    titles = [panel.title.get_window_extent() for panel in made]
    for row in (titles[:4], titles[4:]):
        for left, right in pairwise(row):
            assert left.x1 < right.x0


def test_history_of_mixtures_of_layers(axes):
    rows = [
        {"layers": "fine+last+top", "shares": (1 / 3,) * 3, "squared_error": 0.5, "standard_error": 0.0},
        {"layers": "last", "shares": (1.0,), "squared_error": 0.4, "standard_error": 0.1, "chosen": True},
        {"layers": "fine+last+top", "shares": (0.1, 0.8, 0.1), "squared_error": 0.6, "standard_error": 0.1},
    ]
    (panel,) = plots.plot_history(rows, ax=axes)
    names = [label.get_text() for label in panel.get_yticklabels()]
    assert names == ["all 3 in equal shares", "last", "last 80%, others 10%"]
    assert panel.get_xlabel() == "Squared error on held-out training images"
    (chosen,) = [bar for bar in panel.containers if bar.get_label() == "chosen"]
    assert chosen[0].get_xdata().tolist() == [0.4]
    records = [{name.replace("squared_error", "error"): value for name, value in row.items()} for row in rows]
    trials = [SimpleNamespace(record=record.copy) for record in records]
    loaded = SimpleNamespace(history_=[], layer_selection_=trials)
    assert len(plots.plot_history(loaded)) == 1
    assert len(plots.plot_history([{**row, "layers": (0, 1, 2)} for row in rows])) == 1


def test_history_of_the_default_head(tiny, pictures):
    clf = Classifier(**tiny).fit(*pictures)
    (panel,) = plots.plot_history(clf)
    assert len(panel.get_yticks()) == len(clf.layer_selection_)


def answers(**attributes):
    """Return an evaluation of two classes, as attributes."""
    return SimpleNamespace(
        y_true=np.array(["a", "b", "a", "b"]),
        classes=np.array(["a", "b"]),
        pos_label="b",
        names=[f"{i}.jpg" for i in range(4)],
        images=IMAGES,
        **attributes,
    )


def test_mistakes_are_those_of_predict(axes):
    """A threshold other than one half predicts other labels than the most probable."""
    chances = np.array([[0.6, 0.4], [0.3, 0.7], [0.9, 0.1], [0.2, 0.8]])
    found = answers(y_pred=np.array(["b", "b", "a", "a"]), probabilities=chances)
    panels = plots.plot_mistakes(found)
    titles = [panel.get_title() for panel in panels]
    assert [panel.get_xlabel() for panel in panels] == ["0.jpg", "3.jpg"]
    assert titles == ["Actual: a\nPredicted: b (40%)", "Actual: b\nPredicted: a (20%)"]


@pytest.mark.parametrize("name", ["plot_roc", "plot_calibration", "plot_mistakes"])
def test_an_evaluation_without_probabilities_is_told(name):
    with pytest.raises(InvalidInputError, match="The evaluation has no probabilities. Use a model with"):
        getattr(plots, name)(answers(y_pred=np.array(["a"] * 4), probabilities=None))


@pytest.mark.parametrize("name", ["plot_mistakes", "plot_confusion_matrix"])
def test_several_labels_have_no_classes(name):
    labels = SimpleNamespace(
        y_true=np.eye(4, 2), classes=["a", "b"], probabilities=np.eye(4, 2), images=IMAGES
    )
    with pytest.raises(InvalidInputError, match=f"{name} is for one label.* several labels.*worst"):
        getattr(plots, name)(labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None], "missing.*the first is None"),
        ([1.0, np.nan], "missing"),
        (np.array(["a", 1], dtype=object), "one type"),
    ],
)
def test_labels_that_cannot_be_sorted_are_told(labels, message):
    for draw in (
        lambda: plots.plot_confusion_matrix(labels, labels),
        lambda: plots.plot_confusion_matrix(labels[:1], labels[1:]),
        lambda: plots.plot_roc(labels, [0.1, 0.9]),
    ):
        with pytest.raises(InvalidInputError, match=message):
            draw()
    for pair in ((["a", None], ["a", "a"]), (["a", "a"], ["a", None])):
        with pytest.raises(InvalidInputError, match="missing. 1 of 2 are"):  # of images, not of both lists
            plots.plot_confusion_matrix(*pair, classes=["a"])


def test_labels_that_are_no_class_are_told():
    with pytest.raises(InvalidInputError, match="y_true has labels that are not in classes: 'z'"):
        plots.plot_roc(["a", "b", "z"], [0.1, 0.2, 0.9], classes=["a", "b"])


def test_errors_in_a_unit_of_their_own_are_no_percentages():
    numbers = SimpleNamespace(errors=[1.0, 2.0], output_figures=[])
    with pytest.raises(InvalidInputError, match="errors must be fractions.* plot_values"):
        plots.plot_error_curve(numbers)


def test_a_comparison_says_its_confidence_and_fills_no_dot_without_an_interval(axes):
    nothing = SimpleNamespace(value=-0.2, low=np.nan, high=np.nan)
    best, other = (
        SimpleNamespace(value=0.9, low=0.8, high=1.0),
        SimpleNamespace(value=-0.2, low=-0.3, high=-0.1),
    )
    rows = [
        SimpleNamespace(name=str(i), score=one, difference=one)
        for i, one in enumerate((best, other, nothing))
    ]
    comparison = SimpleNamespace(rows=rows, metric="accuracy", greater_is_better=True, confidence=0.9)
    scores, differences = plots.plot_comparison(comparison)
    assert scores.get_xlabel() == "Accuracy, 90 % interval"
    dots = [line for line in differences.lines if line.get_marker() == "o"]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [False, True]


def test_all_numbers_are_drawn(axes):
    true = np.arange(1500.0)
    axes = plots.plot_values(true, true[::-1], ax=axes)
    assert [len(ax.collections[0].get_offsets()) for ax in axes] == [1500, 1500]


@pytest.mark.slow
def test_of_several_outputs_the_title_says_which(axes):
    pair = np.arange(12.0).reshape(6, 2)
    axes = plots.plot_values(pair, pair + 1, output=1, ax=axes)
    assert [ax.get_title() for ax in axes] == ["output 1", "output 1"]
    named = SimpleNamespace(true=pair, predicted=pair, output_names=("age", "height"))
    assert plots.plot_values(named, output=1)[0].get_title() == "height"
    assert plots.plot_values(pair[:, 0], pair[:, 0])[0].get_title() == ""
