"""Folders, patterns, and the data sets of other libraries become images and labels."""

import os
import shutil
import types

import numpy as np
import pytest
from PIL import Image

from transferkit import Classifier, FeatureExtractor, KeypointRegressor, compare, evaluate
from transferkit.datasets import labelled_images
from transferkit.errors import InvalidInputError
from transferkit.images import as_image_list, gather_images, is_single_image

# --------------------------------------------------------------------------- folders and patterns


@pytest.fixture
def photos(pictures, tmp_path):
    """A folder with a sub-folder for each of two classes."""
    for path, label in zip(*pictures, strict=True):
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "photos" / label / path.name)
    return tmp_path / "photos"


@pytest.mark.slow
def test_a_folder_of_classes_is_images_and_labels(tiny, photos, pictures):
    clf = Classifier(**tiny).fit(photos)
    assert clf.classes_.tolist() == ["left", "right"]
    paths = [*sorted(photos.glob("left/*")), *sorted(photos.glob("right/*"))]
    labels = [path.parent.name for path in paths]
    same = Classifier(**tiny).fit(paths, labels)
    np.testing.assert_array_equal(clf.predict_proba(str(photos)), same.predict_proba(paths))
    assert clf.score(str(photos)) == same.score(paths, labels)
    assert evaluate(clf, photos).y_true.tolist() == labels
    assert clf.extract(photos).digests == same.extract(paths).digests
    assert len(compare([tiny["backbone"]], photos, cv=2, n_timed=0, progress=False).rows) == 1


def test_a_pattern_is_its_files_in_order(tiny, pictures):
    paths, labels = pictures
    (paths[0].parent / "._0000.png").touch()
    (paths[0].parent / "folder.png").mkdir()
    pattern = str(paths[0].parent / "*.png")
    assert as_image_list(pattern) == paths
    assert not is_single_image(pattern)
    clf = Classifier(**tiny).fit(pattern, labels)
    assert clf.predict(paths[0].parent).tolist() == clf.predict(paths).tolist()
    assert clf.score(pattern, labels) == clf.score(paths, labels)
    assert as_image_list(str(paths[0].parent.parent / "**" / "000[12].png")) == paths[1:3]


def test_files_of_a_folder_are_in_the_order_of_sorted_paths(tmp_path):
    """Of ``y`` in that order, a label must not come to another image."""
    names = ["b.png", "a/1.png", "a-b/2.png", "a/c/3.PNG", "Z.png", "ü.png", ".hidden/4.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    expected = sorted(tmp_path / name for name in names[:-1])
    assert as_image_list(tmp_path) == expected
    assert as_image_list(str(tmp_path / "**" / "**" / "*.[pP]*")) == expected  # each once


def test_a_folder_that_cannot_be_read_is_not_left_out(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "1.png").touch()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InvalidInputError, match="/a' cannot be read: Permission denied"):
        as_image_list(tmp_path)


@pytest.mark.parametrize("X", ["a" * 5000, "a\0/*"])
def test_names_that_no_file_can_have(X):
    with pytest.raises(InvalidInputError, match="It does not exist"):
        labelled_images(X)


def test_a_name_with_brackets_is_a_name(pictures, tmp_path):
    one = tmp_path / "photo[1].png"
    shutil.copy(pictures[0][0], one)
    assert as_image_list(str(one)) == [str(one)]
    assert is_single_image(one)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (
            "pictures",
            None,
            "X must come with y, or be a folder of classes. Expected a sub-folder per class in",
        ),
        ("nowhere", None, r"X must come with y, or be a folder of classes. .* It does not exist"),
        ("nowhere", ["a"], "fit expects a list of images. Got one str: 'nowhere'"),
        ("nowhere/*.png", ["a"], "X must be images. No file matches the pattern 'nowhere/"),
        ("nowhere/*.png", None, "X must be images. No file matches the pattern 'nowhere/"),
        ("pictures/*.png", None, "One label per image requires y to be passed"),
        ("pictures", ["a"], "y has 1 rows but X has 60 images"),
        ("empty", ["a"], "X must be images. The folder 'empty' has none. Image suffixes are"),
        ("pictures", np.zeros((60, 2, 2)), "Got shape"),
    ],
)
def test_one_mistake_is_one_problem(tiny, pictures, tmp_path, monkeypatch, X, y, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=message) as caught:
        Classifier(**tiny).fit(X, y)
    if len(np.shape(y)) < 2 or len(y) == 60:
        assert len(caught.value.problems) == 1
    else:  # of five one-hot rows, the number is wrong too
        assert "y has 5 rows but X has 60 images" in caught.value.problems[1]


def test_a_wrong_folder_hides_no_other_problem(tiny):
    with pytest.raises(InvalidInputError) as caught:
        Classifier(**tiny, random_state=-1).fit("nowhere")
    assert [problem.split()[0] for problem in caught.value.problems] == ["X", "random_state"]


# --------------------------------------------------------------------------- TensorFlow


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def made(folder, **options):
    import keras

    return keras.utils.image_dataset_from_directory(
        folder, image_size=(48, 48), batch_size=7, verbose=False, **options
    )


@pytest.mark.parametrize(
    ("mode", "shuffle"), [("int", False), ("int", True), ("categorical", True), ("binary", True)]
)
def test_keras_datasets_of_a_folder_are_its_files(tf, photos, mode, shuffle):
    data = made(photos, label_mode=mode, shuffle=shuffle, seed=3)
    paths, labels = labelled_images(data)
    assert paths == (sorted(data.file_paths) if shuffle else data.file_paths)
    assert labels == [path.split("/")[-2] for path in paths]
    plain = made(photos, label_mode=None, shuffle=False)
    assert as_image_list(plain) == plain.file_paths


def test_what_was_changed_is_pixels_with_their_labels(tf, photos, tiny):
    """Even if somebody carries the paths over."""
    data = made(photos, seed=3)
    negative = data.map(lambda image, label: (255 - image, 1 - label))
    negative.class_names, negative.file_paths = data.class_names, data.file_paths
    images, labels = labelled_images(negative)
    assert [image.shape for image in images] == [(48, 48, 3)] * 60
    bright = [["left", "right"][int(image[:, :24].mean() > image[:, 24:].mean())] for image in images]
    assert [label == guess for label, guess in zip(labels, bright, strict=True)].count(False) == 60
    assert Classifier(**tiny).fit(negative).score(negative) > 0.8
    own = tf.data.Dataset.from_tensor_slices(data.file_paths).map(
        lambda path: 255 - tf.image.resize(tf.io.decode_png(tf.io.read_file(path), 3), (48, 48))
    )
    own.file_paths = data.file_paths
    assert gather_images(own).images[0].shape == (48, 48, 3)
    grey = made(photos, color_mode="grayscale")
    assert gather_images(grey).images[0].shape == (48, 48, 1)


def test_datasets_of_tensorflow_are_read_once(tf, pictures):
    paths, labels = pictures
    reads = []

    def elements():
        for path, label in zip(paths, labels, strict=True):
            reads.append(path)
            yield str(path), label

    kind = tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.string)
    data = tf.data.Dataset.from_generator(elements, output_signature=kind)
    for some in (data, data.batch(8)):
        reads.clear()
        assert labelled_images(some) == ([str(path) for path in paths], labels.tolist())
        assert reads == paths
    content = data.map(lambda path, label: {"image": tf.io.read_file(path), "label": label})
    assert labelled_images(content) == ([path.read_bytes() for path in paths], labels.tolist())
    with pytest.raises(InvalidInputError, match="X has no end"):
        as_image_list(tf.data.Dataset.from_tensors(1).repeat())


def test_what_is_shuffled_has_no_order(tf, photos, tiny, pictures):
    shuffled = tf.data.Dataset.list_files(str(photos / "*" / "*"))
    clf = Classifier(**tiny).fit(photos)
    with pytest.raises(InvalidInputError, match="X is shuffled anew at each reading"):
        clf.predict(shuffled)
    with pytest.raises(InvalidInputError, match="y cannot be told apart from X, which is shuffled") as caught:
        Classifier(**tiny).fit(shuffled, ["left", "right"] * 30)
    assert len(caught.value.problems) == 1
    assert len(clf.predict(tf.data.Dataset.list_files(str(photos / "*" / "*"), shuffle=False))) == 60
    assert clf.score(made(photos)) == clf.score(photos)


def test_what_is_ready_first_has_no_order(tf):
    numbers = tf.data.Dataset.from_tensor_slices(["1.png", "2.png"])
    options = tf.data.Options()
    options.deterministic = False
    for data in (
        numbers.map(tf.identity, num_parallel_calls=2, deterministic=False).batch(2),
        numbers.with_options(options),
        tf.data.Dataset.sample_from_datasets([numbers, numbers]),
    ):
        assert gather_images(data).shuffled
    assert not gather_images(numbers.map(tf.identity, num_parallel_calls=2)).shuffled


def test_paths_that_begin_like_a_file_of_pixels(tf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "P1 left.png").touch()
    assert as_image_list(tf.data.Dataset.from_tensor_slices(["P1 left.png"])) == ["P1 left.png"]


def test_labels_are_given_once(tf, photos, tiny):
    with pytest.raises(InvalidInputError, match="y must be left out where X has labels of its own"):
        Classifier(**tiny).fit(made(photos), ["left", "right"] * 30)


# --------------------------------------------------------------------------- PyTorch


class Shades:
    """A data set as PyTorch's documentation writes it."""

    classes = ("dark", "light")

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return 8

    def __getitem__(self, row):
        self.reads += 1
        return np.full((3, 24, 24), 30 + 20 * row, np.uint8), row // 4


def test_a_dataset_of_pytorch_is_read_once(tiny):
    data = Shades()
    images, labels = labelled_images(data)
    assert data.reads == 8
    assert labels == ["dark"] * 4 + ["light"] * 4
    assert [image[0, 0, 0] for image in images] == list(range(30, 190, 20))
    clf = Classifier(**tiny, augment=None).fit(data)
    assert clf.predict(Shades()).tolist() == clf.predict(images).tolist()


def opened(path):
    with Image.open(path) as picture:
        return picture.copy()


def folder_of_torchvision(samples, **own):
    """The attributes of ImageFolder, with elements and a loader that belong to the module."""

    def element(self, row):
        path, number = self.samples[row]
        picture = opened(path)
        return (self.transform(picture) if self.transform else picture), number

    def load(path):
        return opened(path)

    element.__module__ = load.__module__ = own.pop("module", "torchvision.datasets.folder")
    kind = type("ImageFolder", (), {"__getitem__": element, "__len__": lambda self: len(self.samples)})
    folder = kind()
    attributes = {"transform": None, "target_transform": None, "loader": load, "classes": ["left", "right"]}
    folder.__dict__.update({"samples": samples} | attributes | own)
    return folder


def of_torch(self, row):
    raise AssertionError("never read")


of_torch.__module__ = "torch.utils.data.dataset"


def test_an_image_folder_is_its_files_unless_something_changes_them(pictures):
    paths, labels = pictures
    samples = [(str(path), int(label == "right")) for path, label in zip(paths, labels, strict=True)]
    assert labelled_images(folder_of_torchvision(samples)) == ([path for path, _ in samples], labels.tolist())
    turned = folder_of_torchvision(samples, transform=lambda picture: picture.rotate(90))
    images, found = labelled_images(turned)
    assert found == labels.tolist()
    assert images[0].tobytes() == opened(paths[0]).rotate(90).tobytes()
    own = folder_of_torchvision(samples, module="mine")  # elements or a loader of the user's own
    assert isinstance(labelled_images(own)[0][0], Image.Image)
    other = folder_of_torchvision(samples, target_transform=lambda number: 10 + number)
    assert labelled_images(other)[1] == [10 + number for _, number in samples]
    subset = type("Subset", (), {"__len__": None, "__getitem__": of_torch})()
    subset.dataset, subset.indices = folder_of_torchvision(samples), [5, 2]
    assert labelled_images(subset) == ([samples[5][0], samples[2][0]], ["right", "left"])
    turning = {"__len__": lambda self: 2, "__getitem__": lambda self, row: (opened(paths[row]).rotate(90), 1)}
    mine = type("Subset", (), turning)()  # as one writes it for transforms of its own
    mine.dataset, mine.indices = subset.dataset, [0, 1]
    assert labelled_images(mine)[0][1].tobytes() == opened(paths[1]).rotate(90).tobytes()


def test_a_loader_is_read_in_its_batches():
    data, kind = Shades(), type("SequentialSampler", (), {})
    pairs = [data[row] for row in range(8)]
    batches = [
        (np.stack([image for image, _ in some]), np.array([label for _, label in some]))
        for some in (pairs[:5], pairs[5:])
    ]
    members = {"__iter__": lambda self: iter(batches), "__len__": lambda self: 2}
    loader = type("DataLoader", (), members)()
    loader.dataset, loader.sampler, loader.batch_size = data, kind(), 5
    assert labelled_images(loader)[1] == ["dark"] * 4 + ["light"] * 4
    assert len(as_image_list(loader)) == 8
    loader.sampler = object()
    with pytest.raises(InvalidInputError, match="shuffled"):
        as_image_list(loader)


def loader_of(batches, *, collate=None, batch_sampler=None, **more):
    """The attributes of a DataLoader."""
    members = {"__iter__": lambda self: iter(batches), "__len__": lambda self: len(batches)}
    loader = type("DataLoader", (), members)()
    loader.dataset, loader.sampler, loader.batch_size = Shades(), type("SequentialSampler", (), {})(), 4
    collate = collate or (lambda batch: batch)
    collate.__name__ = more.pop("name", "default_collate")
    loader.collate_fn, loader.batch_sampler = collate, batch_sampler
    loader.__dict__.update(more)
    return loader


def test_batches_of_a_loader_are_batches():
    """Four grey images are not one with its channels first; two paths are not a path and its label."""
    grey = np.arange(4 * 24 * 24, dtype=np.uint8).reshape(4, 24, 24)
    assert [image.shape for image in as_image_list(loader_of([grey, grey[:1]]))] == [(24, 24)] * 5
    assert as_image_list(loader_of([["1.png", "2.png"], ["3.png"]])) == ["1.png", "2.png", "3.png"]
    own = loader_of([(grey[:3], 1)], name="first")  # one at a time, by a function of its own
    assert [image.shape for image in as_image_list(own)] == [(3, 24, 24)]


def test_a_loader_with_batches_in_another_order_is_shuffled():
    batches = [np.zeros((2, 24, 24, 3), np.uint8)]
    sequential = types.SimpleNamespace(sampler=type("SequentialSampler", (), {})())
    in_order = type("BatchSampler", (), {"sampler": sequential.sampler})()
    assert len(as_image_list(loader_of(batches, batch_sampler=in_order))) == 2
    by_chance = type("BatchSampler", (), {"sampler": type("RandomSampler", (), {})()})()
    for options in (
        {"batch_sampler": by_chance},
        {"batch_sampler": sequential},
        {"batch_sampler": in_order, "in_order": False},
    ):
        with pytest.raises(InvalidInputError, match="shuffled"):
            as_image_list(loader_of(batches, **options))


def data_of(element, **own):
    members = {"__len__": lambda self: 4, "__getitem__": lambda self, row: element(row)}
    return type("Data", (), members | own)()


def test_one_image_of_many_channels_is_one():
    data = data_of(lambda row: (np.full((24, 24, 7), row, np.uint8), row % 2))
    images, labels = labelled_images(data)
    assert [image.shape for image in images] == [(24, 24, 7)] * 4
    assert labels == [0, 1, 0, 1]
    with pytest.raises(InvalidInputError, match="a batch of images with one label, 1"):
        labelled_images(data_of(lambda row: (["1.png", "2.png"], 1)))


@pytest.mark.parametrize(
    "classes", [np.repeat([0, 1], 2), [("tench", "Tinca"), ("shark",)], ["crane", "crane"]]
)
def test_classes_that_are_no_names_leave_labels_as_they_are(classes):
    """Iterators of Keras have the number of each image there, ImageNet synonyms, and two cranes."""
    data = data_of(lambda row: (np.zeros((8, 8, 3), np.uint8), row // 2), classes=classes)
    assert labelled_images(data)[1] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("numbers", "labels"),
    [
        ({"cat": 0, "dog": 1, "kitten": 2}, ["cat", "cat", "dog", "dog"]),
        ({"cat": 1, "dog": 0, "kitten": 2}, ["dog", "dog", "cat", "cat"]),
        ({"cat": 0, "dog": 1, "kitten": 2, "puppy": 1}, ["cat", "cat", "dog", "dog"]),
        ({"cat": 0, "kitten": 0, "dog": 1}, [0, 0, 1, 1]),
        ({"cat": [0], "dog": [1], "kitten": [2]}, [0, 0, 1, 1]),
        (None, ["cat", "cat", "dog", "dog"]),
    ],
)
def test_names_of_classes_are_those_of_their_numbers(numbers, labels):
    """A folder of torchvision with a find_classes of its own may number its classes in any way."""
    names = ["cat", "dog", "kitten"]
    data = data_of(lambda row: (np.zeros((8, 8, 3), np.uint8), row // 2), classes=names, class_to_idx=numbers)
    assert labelled_images(data)[1] == labels


def test_labels_of_one_batch_are_not_those_of_the_next():
    counts = [3, 5, 4, 4]
    data = data_of(lambda row: (np.zeros((4, 8, 8, 3), np.uint8), np.arange(counts[row])))
    with pytest.raises(InvalidInputError, match="a batch of 4 images with 3 labels"):
        labelled_images(data)


def test_an_iterator_that_shuffles_is_shuffled():
    with pytest.raises(InvalidInputError, match="shuffled"):
        as_image_list(data_of(lambda row: np.zeros((2, 8, 8, 3), np.uint8), shuffle=True))


def test_labels_of_new_images_may_be_anything(tiny):
    """The tests of many collections have -1."""
    unknown = data_of(lambda row: (np.zeros((8, 8, 3), np.uint8), -1), classes=["a", "b"])
    assert len(as_image_list(unknown)) == 4
    with pytest.raises(InvalidInputError, match="labels must be in 0..1. Got -1"):
        labelled_images(unknown)
    some = data_of(lambda row: (np.zeros((8, 8, 3), np.uint8), row or None))
    with pytest.raises(InvalidInputError, match="X has 4 images but 3 labels"):
        labelled_images(some)


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ((Image.new("L", (8, 8)), Image.new("L", (8, 8))), "Got two images"),
        ((0, 1, 2), "Got 3 parts"),
        ({"pixels": 0}, r"Got dictionaries with \['pixels'\]"),
        ((np.zeros((24, 24, 3)), -1), "labels must be in 0..1. Got -1 in 2 of 2 images"),
        ((np.zeros((3, 24, 24)), np.zeros(3)), "3 grey images, or one with channels first"),
    ],
)
def test_elements_that_cannot_be_used(element, message):
    members = {"__len__": lambda self: 2, "__getitem__": lambda self, row: element, "classes": ["a", "b"]}
    with pytest.raises(InvalidInputError, match=message):
        gather_images(type("Data", (), members)())


@pytest.mark.slow
def test_real_torchvision(pictures, photos, tiny):
    datasets = pytest.importorskip("torchvision.datasets")
    import torch
    from torchvision import transforms

    whole = datasets.ImageFolder(photos)
    assert labelled_images(whole)[0] == [path for path, _ in whole.samples]
    some, _ = torch.utils.data.random_split(whole, [10, 50])
    assert len(labelled_images(some)[0]) == 10
    assert isinstance(labelled_images(some)[0][0], str)
    tensors = datasets.ImageFolder(
        photos, transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()])
    )
    loader = torch.utils.data.DataLoader(tensors, batch_size=7)
    assert labelled_images(loader)[1] == labelled_images(whole)[1]
    assert Classifier(**tiny).fit(loader).score(tensors) > 0.8


# --------------------------------------------------------------------------- Hugging Face


class Feature:
    """A feature of a column: an image or a class label."""

    def __init__(self, decode=True, mode=None, names=None):
        self.decode, self.mode, self.names = decode, mode, names


class HubData:
    """A table with the protocol of ``datasets.Dataset``."""

    Image = type("Image", (Feature,), {})
    ClassLabel = type("ClassLabel", (Feature,), {})

    def __init__(self, columns, features, form=None):
        self.columns, self.features, self.format = columns, features, {"type": form}
        self.column_names = list(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __iter__(self):
        for row in range(len(self)):
            yield {name: self._cell(name, values[row]) for name, values in self.columns.items()}

    def _cell(self, name, value):
        decoded = isinstance(self.features[name], self.Image) and self.features[name].decode
        return opened(value["path"]) if decoded else value

    def to_list(self):
        return list(self)

    def select_columns(self, names):
        return HubData({name: self.columns[name] for name in names}, self.features)

    def cast_column(self, name, feature):
        return HubData(self.columns, self.features | {name: feature})


def hub_data(pictures, **own):
    paths, labels = pictures
    cells = [
        {"bytes": path.read_bytes() if row % 2 else None, "path": str(path)} for row, path in enumerate(paths)
    ]
    features = {"image": HubData.Image(**own), "label": HubData.ClassLabel(names=["left", "right"])}
    return HubData({"image": cells, "label": [int(label == "right") for label in labels]}, features)


def test_a_dataset_of_hugging_face_is_encoded_files_and_names(pictures):
    paths, labels = pictures
    images, found = labelled_images(hub_data(pictures))
    assert images == [path.read_bytes() if row % 2 else str(path) for row, path in enumerate(paths)]
    assert found == labels.tolist()
    grey = labelled_images(hub_data(pictures, mode="L"))[0]
    assert isinstance(grey[0], Image.Image)
    twice = hub_data(pictures)
    twice.features["mask"] = HubData.Image()
    with pytest.raises(InvalidInputError, match="X must have one column of images. Got 2"):
        gather_images(twice)


@pytest.mark.slow
def test_real_hugging_face(photos, tiny):
    datasets = pytest.importorskip("datasets")
    data = datasets.load_dataset("imagefolder", data_dir=str(photos), split="train")
    images, labels = labelled_images(data)
    assert sorted(set(labels)) == ["left", "right"]
    assert isinstance(images[0], bytes | str)
    clf = Classifier(**tiny).fit(data)
    assert clf.score(data) == clf.score(photos)
    assert clf.predict(data["image"]).tolist() == clf.predict(data).tolist()


# --------------------------------------------------------------------------- columns


def test_columns_of_paths_and_bytes(pictures, tiny):
    pandas = pytest.importorskip("pandas")
    paths, labels = pictures
    table = pandas.DataFrame({"path": map(str, paths), "bytes": [path.read_bytes() for path in paths]})
    clf = Classifier(**tiny).fit(table["path"], pandas.Series(labels))
    expected = clf.predict(paths).tolist()
    cells = pandas.Series([{"bytes": path.read_bytes(), "path": None} for path in paths])
    for column in (
        cells,
        table["bytes"],
        table[["path"]],
        table["path"].to_numpy(),
        np.array(list(map(str, paths))),
    ):
        assert clf.predict(column).tolist() == expected
    polars = types.SimpleNamespace(to_list=lambda: list(map(str, paths)), dtype="String")
    assert clf.predict(polars).tolist() == expected


def test_points_come_with_a_dataset_too(tiny):
    members = {"__len__": lambda self: 12, "__getitem__": lambda self, row: (IMAGES[row], POINTS[row])}
    data = type("Data", (), members)()
    kp = KeypointRegressor(**tiny, extractor=FeatureExtractor(cache=False)).fit(data)
    assert kp.predict(data).shape == (12, 3, 2)


IMAGES = [np.full((16, 16, 3), shade, np.uint8) for shade in range(10, 130, 10)]
POINTS = np.random.default_rng(0).uniform(2, 14, (12, 3, 2))


@pytest.mark.parametrize(
    "container",
    [
        list,
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in (tuple, lambda rows: np.array(rows, dtype=object))
        ),
    ],
)
@pytest.mark.parametrize("kept", ["bytes", "path"])
def test_dictionaries_of_bytes_and_path_need_no_column(tiny, pictures, container, kept):
    paths, labels = pictures
    rows = [
        {
            "bytes": path.read_bytes() if kept == "bytes" else None,
            "path": str(path) if kept == "path" else None,
        }
        for path in paths
    ]
    by_path, by_row = Classifier(**tiny).fit(paths, labels), Classifier(**tiny).fit(container(rows), labels)
    assert (by_path.predict_proba(paths) == by_row.predict_proba(container(rows))).all()


@pytest.mark.parametrize("several", [False, True])
def test_an_iterator_of_labels_is_named_as_such(tiny, pictures, several):
    paths, labels = pictures
    rows = ([label] for label in labels) if several else (label for label in labels)
    with pytest.raises(InvalidInputError, match=r"^y is an iterator, .* Pass list\(y\)\.$"):
        Classifier(**tiny).fit(paths, rows)


def test_missing_values_among_several_labels_are_named(tiny, pictures):
    paths, _ = pictures
    y = np.eye(2)[np.arange(len(paths)) % 2]
    y[0, 0] = np.nan
    with pytest.raises(InvalidInputError, match="missing: drop those images"):
        Classifier(**tiny).fit(paths, y)
