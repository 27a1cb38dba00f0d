"""What every plot function keeps to: Axes out, nothing shown, nothing left over, nothing changed."""

import copy
import sys
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

from transferkit import plots
from transferkit.errors import InvalidInputError, MissingDependencyError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 255, (4, 24, 30, 3)).astype(np.uint8)
LABELS = np.array(["猫", "dog $5 $6", "猫", "dog $5 $6"])  # no font for one is no reason to warn
PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
POINTS = RNG.uniform(2, 22, (4, 68, 2))
FIGURE = SimpleNamespace(value=0.9, low=0.8, high=0.95)
HISTORY = [{"epoch": i, "loss": 1 / i, "accuracy": 0.5, "val_loss": 2 / i} for i in (1, 2)]
ACTIVATION = SimpleNamespace(
    label="猫", score=1.5, intercept=0.5, layers=("a",), maps=(np.full((2, 2), 0.25),), picture=IMAGES[0]
)
ACTIVATION.total = lambda: ACTIVATION.maps[0]
COMPARISON = SimpleNamespace(
    rows=[SimpleNamespace(name="猫", score=FIGURE, difference=FIGURE)],
    metric="accuracy",
    greater_is_better=True,
)
NEIGHBOURS = SimpleNamespace(
    indices=np.array([[1, 2]]), distances=np.array([[0.1, 0.2]]), rows=np.array([0]), own=False,
    queries=[IMAGES[0]], paths=np.array([["猫.jpg", None]], dtype=object),
)  # fmt: skip
AUDIT = SimpleNamespace(
    images=list(IMAGES), labels=["猫", "$5", None, None], n_train=3,
    pairs=SimpleNamespace(
        first=np.array([0, 1]), second=np.array([3, 2]), score=np.array([1.0, 0.8]),
        mirrored=np.array([False, True]),
    ),
    findings=[SimpleNamespace(kind="label_issue", index=1, label="$5", suggested="猫", score=0.02)],
)  # fmt: skip
TO_LABEL = SimpleNamespace(
    images=list(IMAGES[:2]), probabilities=np.array([[0.4, 0.6], [0.1, 0.2]]),
    items=[SimpleNamespace(index=0, predicted="猫"), SimpleNamespace(index=1, predicted=())],
)  # fmt: skip
DRIFT = SimpleNamespace(novelty=[0.1, 0.99], shares={"猫": 0.5, "$5 $6": 0.5}, shares_before={"猫": 0.4})
NO_NEIGHBOURS = SimpleNamespace(indices=np.empty((0, 2), int))
NOTHING = SimpleNamespace(rows=[])
# The arguments, how many panels they make, and arguments that hold nothing.
CASES = {
    "plot_activations": ((RNG.normal(size=(5, 6, 3)),), 3, (np.empty((0, 0, 0)),)),
    "plot_calibration": ((LABELS, PROBABILITIES), 1, ([], np.empty((0, 2)))),
    "plot_class_activation": ((ACTIVATION,), 1, None),
    "plot_comparison": ((COMPARISON,), 2, (NOTHING,)),
    "plot_confusion_matrix": ((LABELS, LABELS[::-1]), 1, ([], [])),
    "plot_drift": ((DRIFT,), 2, (SimpleNamespace(novelty=[]),)),
    "plot_duplicates": ((AUDIT,), 4, None),
    "plot_error_curve": ((np.array([0.02, 0.1]),), 1, ([],)),
    "plot_expected_error": (
        (np.array([[1.0, 2.0], [4.0, 1.5]]), np.array([[0.5, 3.0], [6.0, 0.0]])),
        1,
        ([], []),
    ),
    "plot_feature_map": ((RNG.normal(size=(4, 6)), IMAGES, LABELS), 1, (np.empty((0, 6)),)),
    "plot_history": ((HISTORY,), 2, ([],)),
    "plot_images": ((IMAGES, LABELS), 4, ([], [])),
    "plot_keypoints": ((IMAGES, POINTS, POINTS + 1), 4, ([], np.empty((0, 68, 2)))),
    "plot_label_issues": ((AUDIT,), 1, None),
    "plot_mistakes": ((LABELS, PROBABILITIES), 2, ([], np.empty((0, 2)))),
    "plot_neighbours": ((NEIGHBOURS, IMAGES), 3, (NO_NEIGHBOURS, IMAGES)),
    "plot_roc": ((LABELS, PROBABILITIES), 1, ([], np.empty((0, 2)))),
    "plot_to_label": ((TO_LABEL,), 2, None),
    "plot_values": ((PROBABILITIES, PROBABILITIES**2), 2, ([], [])),
}
EXTRA = {"plot_mistakes": {"images": IMAGES, "names": ["a.jpg"] * 4}}
parametrize = pytest.mark.parametrize("name", plots.__all__)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Nothing is shown, and nothing of one test is open in the next."""

    def show(*args, **kwargs):
        raise AssertionError("show() was called")

    monkeypatch.setattr(plt, "show", show)
    plt.close("all")
    yield
    plt.close("all")


def draw(name, arguments=None, **details):
    return getattr(plots, name)(*(arguments or CASES[name][0]), **EXTRA.get(name, {}), **details)


def test_every_function_has_a_case():
    assert sorted(CASES) == sorted(plots.__all__) == plots.__all__


@parametrize
def test_one_figure_that_can_be_drawn_and_nothing_changed(name):
    before = copy.deepcopy(CASES[name][0])
    settings = dict(mpl.rcParams)
    made = draw(name)
    panels = np.ravel(np.asarray(made, dtype=object))
    assert all(isinstance(panel, Axes) for panel in panels)
    assert len(panels) == CASES[name][1]
    assert plt.get_fignums() == [panels[0].figure.number]
    panels[0].figure.canvas.draw()  # warnings are errors: every glyph is there
    for old, new in zip(before, CASES[name][0], strict=True):
        if not isinstance(old, SimpleNamespace):
            np.testing.assert_array_equal(old, new)
    assert dict(mpl.rcParams) == settings


@parametrize
def test_given_axes_are_drawn_on(name):
    figure = mpl.figure.Figure()
    n = CASES[name][1]
    given = figure.subplots(1, n + 1, squeeze=False)[0] if n > 1 else figure.subplots()
    made = draw(name, ax=given)
    assert plt.get_fignums() == []
    for panel, own in zip(np.ravel(np.asarray(made)), np.ravel(np.asarray(given)), strict=False):
        assert panel is own
        assert own.has_data() or own.texts
    if n > 1:
        assert not given[-1].axison  # left over
        with pytest.raises(InvalidInputError, match=f"at least {n} Axes.* Got 1"):
            draw(name, ax=figure.subplots())


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2] is not None])
def test_nothing_to_draw_is_an_error_and_leaves_no_figure(name):
    with pytest.raises(InvalidInputError):
        draw(name, CASES[name][2])
    assert plt.get_fignums() == []


@parametrize
def test_without_matplotlib_the_error_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "transferkit\[plots\]"'):
        draw(name)
