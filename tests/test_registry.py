"""The registry: names, order, messages; none of it loads Keras."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest

from transferkit import get_backbone, list_backbones, register_backbone
from transferkit.backbones import Backbone, Source, is_shipped, registry
from transferkit.errors import InvalidInputError, TransferKitError, UnknownBackboneError

# Transformers see multiples of their patch only, most of them one size alone; Swin's windows need 224.
SMALLEST = {
    **{"inception_v3": 75, "inception_resnet_v2": 75, "xception": 71},
    **dict.fromkeys(list_backbones("dinov2_*"), 56),
    **dict.fromkeys(list_backbones("dinov3_*"), 64),
    **{
        name: 224
        for family in ("clip", "deit", "metaclip2", "siglip", "siglip2", "swin", "vit")
        for name in list_backbones(f"{family}_*")
    },
}
N_ROWS = 69


def constructor(include_top, weights, input_shape):
    raise AssertionError("nothing here builds a network")


def same(x):
    return x


def add(name="my_net", constructor=constructor, preprocess_input=same, min_size=32, **details):
    return register_backbone(name, constructor, preprocess_input, min_size, **details)


def test_listing_getting_and_registering_load_no_framework():
    code = """
import sys
from transferkit import get_backbone, list_backbones, register_backbone
register_backbone("my_net", "keras.applications:VGG16", "keras.applications.vgg16:preprocess_input", 32)
assert get_backbone("My-Net").check_image_size(None) == 224
assert len(list_backbones()) == 70
sys.exit(", ".join({"keras", "tensorflow", "torch", "jax", "sklearn"} & set(sys.modules)) or None)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("vgg16", "vgg16"),
        ("VGG-16", "vgg16"),
        ("ResNet50V2", "resnet50_v2"),
        ("MobileNet-V2", "mobilenet_v2"),
        ("mobilenetv2", "mobilenet_v2"),
        ("EfficientNetB0", "efficientnet_b0"),
        ("EfficientNetV2S", "efficientnet_v2_s"),
        ("mobilenet_v1", "mobilenet"),
        ("MobileNet", "mobilenet"),
        ("InceptionResNetV2", "inception_resnet_v2"),
        ("NASNetMobile", "nasnet_mobile"),
        ("ConvNeXtXLarge", "convnext_xlarge"),
        ("Scattering", "scattering"),
    ],
)
def test_names_ignore_case_dashes_and_underscores(written, name):
    assert get_backbone(written).name == name


def test_a_row_is_returned_as_it_is():
    row = Backbone("unregistered", constructor, same, 32)
    assert get_backbone(row) is row


def test_rows_have_distinct_names():
    names = list_backbones()
    assert len(names) == len(set(names)) == N_ROWS
    assert [get_backbone(name).name for name in names] == names


def test_every_constructor_of_the_table_is_a_different_one():
    references = [get_backbone(name).constructor for name in list_backbones()]
    assert len(set(references)) == N_ROWS
    # Two rows have no weights, and those of KerasHub a preset.
    assert len({get_backbone(name).weights_file for name in list_backbones()}) == 41
    presets = [source.handle for source in references if isinstance(source, Source)]
    assert len(set(presets)) == len(presets) == 27


def test_order_is_natural():
    names = list_backbones("densenet*") + list_backbones("resnet*")
    assert names == [
        *("densenet121", "densenet169", "densenet201"),
        *("resnet18", "resnet50", "resnet50_v2", "resnet50_vd"),
        *("resnet101", "resnet101_v2", "resnet152", "resnet152_v2"),
    ]
    for number in (10, 9, 2):
        add(f"net_b{number}")
    add("Net_B1")
    add("net2²")  # a digit to str.isdigit, and not to int
    assert list_backbones("net_*") == ["Net_B1", "net_b2", "net_b9", "net_b10"]
    assert "net2²" in list_backbones()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("vgg*", ["vgg16", "vgg19"]),
        ("VGG*", ["vgg16", "vgg19"]),
        ("mobilenet_v3_?????", ["mobilenet_v3_large", "mobilenet_v3_small"]),
        ("efficientnet_b[01]", ["efficientnet_b0", "efficientnet_b1"]),
        ("*ception*", ["inception_resnet_v2", "inception_v3", "xception"]),
        ("vgg", []),
    ],
)
def test_patterns(pattern, names):
    assert list_backbones(pattern) == names


def test_patterns_find_names_with_capitals():
    add("MyNet")
    assert list_backbones("mynet*") == list_backbones("MyNet*") == ["MyNet"]


def test_unknown_name_says_what_was_meant():
    with pytest.raises(UnknownBackboneError) as caught:
        get_backbone("Scatering")
    assert str(caught.value) == (
        "Unknown backbone 'Scatering'. Did you mean 'scattering'? "
        f"Call transferkit.list_backbones() for all {N_ROWS}, or register_backbone() to add one."
    )
    assert (caught.value.name, caught.value.suggestions) == ("Scatering", ("scattering",))
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TransferKitError)


def test_several_guesses_are_joined_by_or():
    with pytest.raises(UnknownBackboneError, match=r"Did you mean 'vgg16' or 'vgg19'\? Call"):
        get_backbone("vgg_6")


def test_unknown_name_that_is_like_nothing_guesses_nothing():
    with pytest.raises(UnknownBackboneError) as caught:
        get_backbone("qqqq")
    assert "Did you mean" not in str(caught.value)
    assert caught.value.suggestions == ()


@pytest.mark.parametrize("written", ["ResNet51", "Mobile-Net-V4", "EfficientNetB9"])
def test_suggestions_can_be_typed_in(written):
    with pytest.raises(UnknownBackboneError) as caught:
        get_backbone(written)
    assert caught.value.suggestions
    for suggestion in caught.value.suggestions:
        assert get_backbone(suggestion).name == suggestion


def test_a_name_of_another_type_is_refused():
    with pytest.raises(
        InvalidInputError,
        match=r"^backbone must be a name, a Backbone, a keras.Model or a function\. Got int: 16\.$",
    ):
        get_backbone(16)


@pytest.mark.parametrize("name", list_backbones())
def test_smallest_sizes(name):
    row = get_backbone(name)
    smallest = SMALLEST.get(name, 32)
    assert row.min_size == smallest
    assert row.check_image_size(smallest) == smallest
    assert row.check_image_size(None) == row.image_size >= smallest
    step = getattr(row.constructor, "step", 1)
    only = getattr(row.constructor, "only_size", None)
    bound = f"{only}" if only else f"at least {smallest}"
    with pytest.raises(InvalidInputError, match=f"^image_size must be {bound} for backbone '{name}'"):
        row.check_image_size(smallest - step)
    assert row.layers[-1] == "last"


def test_size_too_small_says_what_to_do():
    with pytest.raises(InvalidInputError) as caught:
        get_backbone("inception_v3").check_image_size(64)
    assert str(caught.value) == (
        "image_size must be at least 75 for backbone 'inception_v3'. Got 64. "
        "Pass image_size=75 or more, or choose a backbone with a smaller min_size."
    )


@pytest.mark.parametrize("size", ["224", 224.0, True, (224, 224)])
def test_size_of_another_type_is_refused(size):
    with pytest.raises(InvalidInputError) as caught:
        get_backbone("vgg16").check_image_size(size)
    assert str(caught.value) == (
        f"image_size must be an integer, the side of a square in pixels, or None for 224. Got {size!r}."
    )


def test_sizes_from_numpy_are_integers_too():
    size = get_backbone("vgg16").check_image_size(np.int64(64))
    assert (size, type(size)) == (64, int)


def test_triple_of_functions_and_of_references():
    assert add().triple == (constructor, same, 32)
    import transferkit.backbones.scattering as module

    assert get_backbone("scattering").triple == (module.Scattering, module.preprocess_input, 32)


def test_preprocessing_works_on_a_copy_in_float32():
    def in_place(x):
        assert x.dtype == np.float32
        x -= 1
        return x

    row = add(preprocess_input=in_place)
    for dtype in (np.uint8, np.float32):
        pixels = np.full((2, 4, 4, 3), 5, dtype)
        result = row.preprocess(pixels)
        assert result.dtype == np.float32
        assert (result == 4).all()
        assert (pixels == 5).all()


def test_registered_backbone_is_found_by_name_and_alias():
    row = add("My-Net", aliases=("other name",), layers=["a", "last"], image_size=96)
    assert get_backbone("mynet") is get_backbone("OTHER_NAME") is row
    assert "My-Net" in list_backbones()
    assert (row.layers, row.image_size, is_shipped(row)) == (("a", "last"), 96, False)
    assert row.check_image_size(None) == 96


def test_default_size_is_never_below_the_smallest():
    assert add("small", min_size=32).check_image_size(None) == 224
    assert add("large", min_size=384).check_image_size(None) == 384


@pytest.mark.parametrize(
    ("name", "details", "culprit"),
    [
        ("vgg16", {}, "vgg16"),
        ("VGG_16", {}, "VGG_16"),
        ("mobilenet_v1", {}, "mobilenet_v1"),
        ("new", {"aliases": ("fresh", "ResNet-50")}, "ResNet-50"),
    ],
)
def test_duplicates_are_refused(name, details, culprit):
    before = list_backbones()
    with pytest.raises(InvalidInputError) as caught:
        add(name, **details)
    assert str(caught.value) == (
        f"Backbone {culprit!r} is registered already. Choose another name or pass overwrite=True."
    )
    assert list_backbones() == before
    assert is_shipped(get_backbone(culprit))


@pytest.mark.parametrize("name", ["vgg16", "VGG-16"])
def test_overwriting_replaces_the_row(name):
    row = add(name, overwrite=True)
    assert get_backbone("vgg16") is row
    assert len(list_backbones()) == N_ROWS
    assert not is_shipped(row)


def test_overwriting_an_alias_leaves_the_row_that_had_it():
    row = add("mobilenet_v1", overwrite=True)
    assert get_backbone("MobileNetV1") is row
    assert is_shipped(get_backbone("mobilenet"))
    assert len(list_backbones()) == N_ROWS + 1


def test_overwriting_forgets_the_aliases_of_the_old_row():
    add("mobilenet", overwrite=True)
    with pytest.raises(UnknownBackboneError):
        get_backbone("mobilenet_v1")


@pytest.mark.parametrize("name", ["precomputed", "Pre-Computed", "mine.ONNX"])
def test_names_that_mean_something_else_are_refused(name):
    for names in ({"name": name}, {"name": "mine", "aliases": (name,)}):
        with pytest.raises(
            InvalidInputError, match=f"must not be 'precomputed'.*nor end in .onnx.* Got '{name}'"
        ):
            add(**names)
    assert len(list_backbones()) == N_ROWS


@pytest.mark.parametrize("name", ["", "--", "模型", None, 16])
def test_names_without_letters_or_digits_are_refused(name):
    with pytest.raises(InvalidInputError) as caught:
        add(name)
    assert (
        str(caught.value) == f"name must have letters a-z or digits, by which it is looked up. Got {name!r}."
    )


@pytest.mark.parametrize("size", [0, -1, 32.0, "32", True, None, (32, 32)])
def test_smallest_sizes_that_are_none_are_refused(size):
    with pytest.raises(InvalidInputError) as caught:
        add(min_size=size)
    assert str(caught.value) == (
        f"min_size must be the smallest side in pixels, 1 or more. Got {size!r}. "
        "The triple is (constructor, preprocess_input, min_size)."
    )


@pytest.mark.parametrize("label", ["constructor", "preprocess_input"])
@pytest.mark.parametrize("value", [None, 3, "keras.applications.VGG16"])
def test_functions_that_are_none_are_refused(label, value):
    with pytest.raises(InvalidInputError) as caught:
        add(**{label: value})
    assert str(caught.value) == (
        f"{label} must be a function, or a string 'package.module:attribute'. Got {value!r}."
    )


@pytest.mark.parametrize("label", ["layers", "aliases"])
def test_one_string_is_no_tuple_of_names(label):
    with pytest.raises(InvalidInputError) as caught:
        add(**{label: "last"})
    assert str(caught.value) == f"{label} must be a tuple of names. Got 'last'. Pass ('last',)."


def test_image_size_below_the_smallest_is_refused():
    with pytest.raises(InvalidInputError) as caught:
        add(min_size=64, image_size=48)
    assert str(caught.value) == ("image_size must be min_size=64 or more. Got 48. It is the default side.")


def test_refused_backbones_are_not_registered():
    for faulty in ({"min_size": 0}, {"layers": "last"}, {"constructor": None}):
        with pytest.raises(InvalidInputError):
            add(**faulty)
    with pytest.raises(TypeError, match="colour"):
        add(colour="red")
    assert "my_net" not in list_backbones()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "mine"},
        {"constructor": constructor},
        {"preprocess_input": same},
        {"weights_file": "mine.h5"},
        {"weights_hash": None},
        {"pretrained": False},
        {"version": "2"},
        {"finish": same},
    ],
)
def test_a_copy_with_another_network_is_not_shipped(change):
    row = get_backbone("vgg16")
    assert is_shipped(row)
    assert not is_shipped(dataclasses.replace(row, **change))
    assert get_backbone("vgg16") is row


@pytest.mark.parametrize(
    "change",
    [{}, {"grid": 7}, {"layers": ("last",)}, {"image_size": 96}, {"min_size": 48}, {"aliases": ("mine",)}],
)
def test_a_copy_with_other_recommendations_is_shipped(change):
    assert is_shipped(dataclasses.replace(get_backbone("vgg16"), **change))


def test_all_problems_are_reported_at_once():
    with pytest.raises(InvalidInputError) as caught:
        Backbone("", None, same, 64, 48, layers="last")
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "name",
        "image_size",
        "constructor",
        "layers",
    ]


def test_lists_become_tuples():
    row = Backbone("mine", constructor, same, 32, layers=["a", "last"], grid=[2, None], aliases=["other"])
    assert (row.layers, row.grid, row.aliases) == (("a", "last"), (2, None), ("other",))
    hash(row)


def test_preserved_restores_the_registry():
    before = list_backbones()
    with registry.preserved():
        registry.add(Backbone("VGG16", constructor, same, 32), shipped=True)
        assert is_shipped(get_backbone("vgg16"))
        assert "vgg16" not in list_backbones()
    assert list_backbones() == before
    assert not is_shipped(Backbone("VGG16", constructor, same, 32))


def test_rows_survive_copies_and_pickles():
    for row in (get_backbone("vgg16"), get_backbone("scattering"), get_backbone("efficientnet_b0")):
        for other in (copy.deepcopy(row), pickle.loads(pickle.dumps(row))):
            assert other == row
            assert is_shipped(other)
