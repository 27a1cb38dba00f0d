"""The picture of an estimator in a notebook: backbone, layers, head."""

import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from transferkit import Classifier, KeypointRegressor


def blocks(estimator):
    """Return the words of the blocks below the estimator's own."""
    return re.findall(r"<div><div>([^<]*)</div>", estimator._repr_html_())[1:]


def test_before_fit_it_shows_what_was_asked_for():
    assert blocks(Classifier("vgg16", layers=["block1_conv1", "last"], image_size=96, head="linear")) == [
        "backbone vgg16, 96 x 96 pixels",
        "layers block1_conv1 + last",
        "head LinearHead(penalty=None)",
    ]
    shown = blocks(Classifier("ResNet-50", head="conv"))
    assert shown[:2] == ["backbone resnet50, 224 x 224 pixels", "layers last"]
    assert shown[2].startswith("head ConvHead(")
    assert "conv_pw_8_relu + " in blocks(Classifier("mobilenet"))[1]
    assert blocks(Classifier("precomputed"))[0] == "precomputed features"


def test_after_fit_it_shows_what_was_chosen(tiny, pictures):
    clf = Classifier(**tiny).fit(*pictures)
    chosen = next(trial for trial in clf.layer_selection_ if trial.chosen)
    backbone, layers, head = blocks(clf)
    assert backbone == "backbone tiny, 32 x 32 pixels"
    assert layers.startswith(f"layers {chosen.layers.replace('+', ' + ')} (")
    assert layers.count("%") == len(chosen.shares)
    assert head == "head AutoHead()"
    assert blocks(clf.set_params(head="linear"))[2] == "head AutoHead()"  # what was fitted


def test_keypoints_show_their_closer_look(tiny, pictures):
    points = np.random.default_rng(0).uniform(5, 25, (60, 4, 2))
    kp = KeypointRegressor(**tiny).fit(pictures[0], points)
    assert blocks(kp)[:2] == ["backbone tiny, 32 x 32 pixels", "layers fine + last"]
    kp.predictor_ = replace(kp.predictor_, refinements=(object(),))
    assert blocks(kp)[-1] == "closer look, 1 round"
    kp.predictor_ = replace(kp.predictor_, refinements=())
    assert "closer" not in blocks(kp)[-1]


@pytest.mark.parametrize("details", [{"backbone": "<b>"}, {"head": "nope"}, {"image_size": 3}])
def test_parameters_that_cannot_be_used_still_have_a_picture(details):
    assert "Classifier" in Classifier(**details)._repr_html_()
    assert "<b>&" not in Classifier(**details)._repr_html_()


def test_it_is_part_of_the_picture_of_a_pipeline():
    assert "backbone vgg16, 224 x 224 pixels" in make_pipeline(Classifier("vgg16"))._repr_html_()
