"""Files of hospitals, microscopes, satellites and telephones: DICOM, pages, channels, HEIC."""

import io
import sys

import numpy as np
import PIL.Image
import pytest

import transferkit
from transferkit import Classifier, FeatureExtractor
from transferkit.backbones import registry
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.images import Limits, load_image, read_source

RAMP = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16) * 20  # 0 to 3820


def dicom(stored, frames=None, **elements):
    """The bytes of a DICOM file of 16-bit grey, or of colour where there are three values a pixel."""
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    file = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    bits = 8 * stored.dtype.itemsize
    colour = stored.shape[-1] == 3
    file.Rows, file.Columns = stored.shape[-3:-1] if colour else stored.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        file.PlanarConfiguration = 0
    file.BitsAllocated = file.BitsStored = bits
    file.HighBit, file.PixelRepresentation = bits - 1, int(stored.dtype.kind == "i")
    if frames is not None:
        file.NumberOfFrames = frames
    file.PixelData = stored.tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    stream = io.BytesIO()
    file.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def grey(data, **options):
    pixels = load_image(data, **options).pixels
    assert (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, 0].astype(int)


def by_window(values, centre, width):
    """PS3.3 C.11.2.1.2.1, the linear function, to 0..255."""
    share = (values - (centre - 0.5)) / (width - 1) + 0.5
    return np.rint(share.clip(0, 1) * 255)


@pytest.mark.parametrize("form", ["bytes", "Pillow"])
def test_bytes_with_a_sign_are_not_taken_for_others(form):
    """Pillow opens such a TIFF as grey, where -1 would be white."""
    tifffile = pytest.importorskip("tifffile")
    signed = (np.arange(12 * 20).reshape(12, 20) - 120).astype(np.int8)
    stream = io.BytesIO()
    tifffile.imwrite(stream, signed)
    data = stream.getvalue()
    source = data if form == "bytes" else PIL.Image.open(io.BytesIO(data))
    with pytest.raises(BadImageError, match="int8 values from -120 to 119") as caught:
        load_image(source)
    assert caught.value.category == "ambiguous_range"
    expected = load_image(signed, value_range=(-128, 127)).pixels
    np.testing.assert_array_equal(load_image(source, value_range=(-128, 127)).pixels, expected)
    np.testing.assert_array_equal(load_image(source, value_range=(-128, 127), channels=(0,)).pixels, expected)
    plain = PIL.Image.fromarray(signed.view(np.uint8))
    assert read_source(PIL.Image.open(io.BytesIO(data))).digest != read_source(plain).digest


# --------------------------------------------------------------------------- DICOM


@pytest.mark.parametrize("inverted", [False, True])
def test_dicom_is_shown_in_its_window_of_rescaled_values(inverted):
    data = dicom(
        RAMP, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=[400, 50], WindowWidth=[2000, 1],
        PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2",
    )  # fmt: skip
    expected = by_window(RAMP * 2.0 - 1024, 400, 2000)
    np.testing.assert_allclose(grey(data), 255 - expected if inverted else expected, atol=1)
    assert "the file's window (400, width 2000)" in load_image(data).notes[0]


def test_dicom_in_a_window_of_ones_own():
    data = dicom(RAMP, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=400, WindowWidth=2000)
    expected = np.rint(((RAMP * 2.0 - 1024 + 1000) / 1400).clip(0, 1) * 255)
    np.testing.assert_array_equal(grey(data, value_range=(-1000, 400)), expected)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_negative_slope_turns_values_and_not_the_window(function):
    window = {"WindowCenter": 2000, "WindowWidth": 3000, "VOILUTFunction": function}
    turned = dicom(np.uint16(4000) - RAMP, RescaleSlope=-1, RescaleIntercept=4000, **window)
    np.testing.assert_array_equal(grey(turned), grey(dicom(RAMP, **window)))
    assert np.ptp(grey(turned)) > 200


def test_dicom_without_a_window_is_scaled_by_percentiles_without_padding():
    signed = RAMP.astype(np.int16) - 1000
    signed[0] = -32768
    low, high = np.percentile(signed[1:], (0.5, 99.5))
    data = dicom(signed, PixelPaddingValue=-32768)
    expected = np.rint(((signed - low) / (high - low)).clip(0, 1) * 255)
    np.testing.assert_array_equal(grey(data), expected)
    assert grey(dicom(np.full((12, 16), 7, np.uint16))).max() == 0


def test_dicom_with_a_table():
    pydicom = pytest.importorskip("pydicom")
    item = pydicom.Dataset()
    item.LUTDescriptor = [256, 100, 8]
    item["LUTDescriptor"].VR = "US"
    item.add_new("LUTData", "US", list(range(255, -1, -1)))
    data = dicom(RAMP, VOILUTSequence=[item])
    expected = 255 - (RAMP.astype(int) - 100).clip(0, 255)
    np.testing.assert_array_equal(grey(data), expected)


def test_frames_of_dicom_are_chosen_and_have_windows_of_their_own():
    pydicom = pytest.importorskip("pydicom")
    frames = []
    for centre in (500, 1500):
        window, group = pydicom.Dataset(), pydicom.Dataset()
        window.WindowCenter, window.WindowWidth = centre, 1001
        group.FrameVOILUTSequence = [window]
        frames.append(group)
    stack = np.stack([RAMP, RAMP[::-1]])
    data = dicom(stack, 2, PerFrameFunctionalGroupsSequence=frames)
    for frame, centre in enumerate((500, 1500)):
        expected = by_window(stack[frame].astype(float), centre, 1001)
        np.testing.assert_allclose(grey(data, frame=frame), expected, atol=1)
    for options, message in (
        ({}, r"has 2 frames. Choose one: FeatureExtractor\(frame=0\)"),
        ({"frame": 2}, "=2"),
    ):
        with pytest.raises(BadImageError, match=message) as caught:
            load_image(data, **options)
        assert caught.value.category == "bad_frame"


def test_colour_of_dicom():
    colours = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(load_image(dicom(colours)).pixels, colours)
    np.testing.assert_array_equal(load_image(dicom(colours), channels=(2, 1, 0)).pixels, colours[:, :, ::-1])


def test_dicom_that_begins_like_a_tiff_is_dicom():
    data = b"II*\0" + dicom(RAMP, WindowCenter=500, WindowWidth=900)[4:]
    np.testing.assert_allclose(grey(data), by_window(RAMP.astype(float), 500, 900), atol=1)


def test_damaged_and_huge_dicom_is_refused():
    with pytest.raises(BadImageError, match="DICOM is"):
        load_image(dicom(RAMP)[:-100])
    with pytest.raises(BadImageError) as caught:
        load_image(dicom(RAMP, Rows=60000, Columns=60000))
    assert caught.value.category == "too_large"


def test_deflated_dicom_is_read_within_the_limit_for_files():
    pydicom = pytest.importorskip("pydicom")
    file = pydicom.dcmread(io.BytesIO(dicom(RAMP, WindowCenter=500, WindowWidth=900)))
    plain = load_image(dicom(RAMP, WindowCenter=500, WindowWidth=900)).pixels
    file.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    file.save_as(small := io.BytesIO(), enforce_file_format=True)
    np.testing.assert_array_equal(load_image(small.getvalue()).pixels, plain)
    file.add_new(0x00091010, "OB", bytes(3_000_000))
    file.save_as(bomb := io.BytesIO(), enforce_file_format=True)
    assert len(bomb.getvalue()) < 10_000
    with pytest.raises(BadImageError, match="compressed DICOM of more than 1 MB") as caught:
        load_image(bomb.getvalue(), limits=Limits(max_bytes=1_000_000))
    assert caught.value.category == "too_large"


def test_a_window_without_width_is_no_damage_of_the_download():
    with pytest.raises(BadImageError, match="has a window of width 0. Pass a value_range"):
        load_image(dicom(RAMP, WindowCenter=500, WindowWidth=0))


def test_sixteen_bit_colour_of_dicom_has_a_range():
    data = dicom(np.full((12, 16, 3), 200, np.uint16))
    with pytest.raises(BadImageError, match="Pass value_range"):
        load_image(data)
    assert load_image(data, value_range=(0, 510)).pixels[0, 0].tolist() == [100] * 3


def test_dicom_and_heic_without_their_packages(monkeypatch, tiny):
    data = {"pydicom": dicom(RAMP), "pillow_heif": b"\0\0\0\x18ftypheic\0\0\0\0"}
    extractor = FeatureExtractor(**tiny)
    for package, extra in (("pydicom", "dicom"), ("pillow_heif", "heic")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(BadImageError, match=rf'pip install "transferkit\[{extra}\]"') as caught:
                extractor.transform(data[package])
            assert caught.value.category == "missing_package"
    assert extractor.transform(data["pydicom"]).size  # not remembered as damaged


def test_dicom_in_a_helper_process():
    source = read_source(dicom(RAMP, WindowCenter=500, WindowWidth=900))
    np.testing.assert_array_equal(source.decode(isolate=60).pixels, source.decode().pixels)


# --------------------------------------------------------------------------- HEIC


def test_heic_is_upright():
    heif = pytest.importorskip("pillow_heif")
    picture = PIL.Image.new("RGB", (64, 48), (200, 40, 40))
    picture.paste((40, 40, 200), (0, 0, 32, 24))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    heif.from_pillow(picture).save(plain := io.BytesIO(), quality=95)
    file = heif.from_pillow(picture)
    file.info["exif"] = exif.tobytes()
    file.save(turned := io.BytesIO(), quality=95)
    pixels = load_image(plain.getvalue()).pixels
    np.testing.assert_allclose(pixels, np.asarray(picture), atol=30)
    upright = load_image(turned.getvalue()).pixels
    np.testing.assert_allclose(upright, np.asarray(picture.rotate(-90, expand=True)), atol=30)


# --------------------------------------------------------------------------- pages


def pages(*greys, **options):
    """The bytes of a TIFF with a page for each array."""
    first, *others = [PIL.Image.fromarray(each) for each in greys]
    first.save(stream := io.BytesIO(), "TIFF", save_all=True, append_images=others, **options)
    return stream.getvalue()


def test_pages_of_a_tiff_are_chosen():
    deep = (RAMP * 17).astype(np.uint16)
    data = pages(deep, deep[::-1], deep[:10, :12])
    assert "first page of 3" in load_image(data).notes
    np.testing.assert_array_equal(grey(data), deep >> 8)
    np.testing.assert_array_equal(grey(data, frame=1), deep[::-1] >> 8)
    np.testing.assert_array_equal(grey(data, frame=2), deep[:10, :12] >> 8)
    with pytest.raises(BadImageError, match="has no frame 3"):
        load_image(data, frame=3)
    PIL.Image.fromarray(RAMP.astype(np.uint8)).save(photo := io.BytesIO(), "JPEG")
    with pytest.raises(BadImageError, match="has no frame 1"):
        load_image(photo.getvalue(), frame=1)


# --------------------------------------------------------------------------- channels

BANDS = np.random.default_rng(0).integers(0, 256, (12, 16, 7), dtype=np.uint8)


def test_channels_of_arrays_are_chosen():
    with pytest.raises(BadImageError, match="Choose 1, 3 or 4 channels"):
        load_image(BANDS)
    np.testing.assert_array_equal(load_image(BANDS, channels=(3, 2, 1)).pixels, BANDS[:, :, [3, 2, 1]])
    np.testing.assert_array_equal(load_image(BANDS, channels=[6]).pixels, np.repeat(BANDS[:, :, 6:], 3, 2))
    with pytest.raises(BadImageError, match=r"has 7 channel\(s\), but channels=\(7, 0, 0\) needs 8"):
        load_image(BANDS, channels=(7, 0, 0))
    for wrong in (BANDS.transpose(2, 0, 1), np.zeros((12, 40, 30), np.uint8)):  # not bands as rows
        with pytest.raises(BadImageError, match="last axis"):
            load_image(wrong, channels=(3, 2, 1))


def test_channels_of_files_are_chosen():
    colours = BANDS[:, :, :4]
    PIL.Image.fromarray(colours, "RGBA").save(stream := io.BytesIO(), "PNG")
    np.testing.assert_array_equal(
        load_image(stream.getvalue(), channels=(3, 1, 0)).pixels, colours[:, :, [3, 1, 0]]
    )
    # Four channels, of which the last is no alpha: the near infrared of a satellite.
    PIL.Image.frombytes("RGBX", (16, 12), colours.tobytes()).save(stream := io.BytesIO(), "TIFF")
    with pytest.raises(BadImageError, match=r"has 4 channels. Choose: FeatureExtractor\(channels=") as caught:
        load_image(stream.getvalue())
    assert caught.value.category == "bad_channels"
    two = colours[:, :, :2].copy()
    pytest.importorskip("tifffile").imwrite(
        stream := io.BytesIO(), two, photometric="minisblack", planarconfig="contig"
    )
    with pytest.raises(BadImageError, match="has 2 channels. Choose:"):
        load_image(stream.getvalue())
    np.testing.assert_array_equal(
        load_image(stream.getvalue(), channels=(1,)).pixels, np.repeat(two[:, :, 1:], 3, 2)
    )


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("deep", [True, False])
def test_channels_of_a_tiff_are_chosen(together, deep, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    bands = BANDS.astype(np.uint16) * 257 if deep else BANDS
    stored = bands if together else np.ascontiguousarray(bands.transpose(2, 0, 1))
    layout = "contig" if together else "separate"
    tifffile.imwrite(stream := io.BytesIO(), stored, photometric="minisblack", planarconfig=layout)
    data = stream.getvalue()
    np.testing.assert_array_equal(load_image(data, channels=(6, 2, 1)).pixels, BANDS[:, :, [6, 2, 1]])
    with pytest.raises(BadImageError, match="has 7 channels. Choose:"):
        load_image(data)
    with pytest.raises(BadImageError, match=r"has 7 channel\(s\), but channels"):
        load_image(data, channels=(7, 2, 1))
    with pytest.raises(BadImageError, match="has no frame 1"):
        load_image(data, channels=(6, 2, 1), frame=1)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(BadImageError, match=r'pip install "transferkit\[tiff\]"'):
        load_image(data, channels=(6, 2, 1))


def test_channels_are_counted_on_the_chosen_page():
    """Pillow drops a fourth channel that is no alpha, without a word."""
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(stream := io.BytesIO()) as file:
        file.write(BANDS[:, :, 0], photometric="minisblack")
        file.write(BANDS[:, :, :4], photometric="rgb", extrasamples=["unspecified"])
        file.write(BANDS, photometric="minisblack", planarconfig="contig")
    data = stream.getvalue()
    np.testing.assert_array_equal(grey(data), BANDS[:, :, 0])
    for frame, count in ((1, 4), (2, 7)):
        with pytest.raises(BadImageError, match=f"has {count} channels. Choose:"):
            load_image(data, frame=frame)
        chosen = load_image(data, frame=frame, channels=(3, 0, 1)).pixels
        np.testing.assert_array_equal(chosen, BANDS[:, :, [3, 0, 1]])


def test_sixteen_bits_one_channel_after_the_other():
    """Pillow mixes up their bytes where they are not compressed."""
    tifffile = pytest.importorskip("tifffile")
    apart = BANDS[:, :, :3].transpose(2, 0, 1).astype(np.uint16) * 256 + 7
    for order in "<>":
        options = {"photometric": "rgb", "planarconfig": "separate", "byteorder": order}
        tifffile.imwrite(stream := io.BytesIO(), np.ascontiguousarray(apart), **options)
        with pytest.raises(BadImageError, match="one after the other, without compression"):
            load_image(stream.getvalue())
        chosen = load_image(stream.getvalue(), channels=(0, 1, 2)).pixels
        np.testing.assert_array_equal(chosen, BANDS[:, :, :3])
        tifffile.imwrite(stream := io.BytesIO(), np.ascontiguousarray(apart), compression="zlib", **options)
        np.testing.assert_array_equal(load_image(stream.getvalue()).pixels, BANDS[:, :, :3])


def test_channels_of_a_tiff_are_limited_in_memory():
    tifffile = pytest.importorskip("tifffile")
    many = np.zeros((100, 100, 300), np.uint8)
    tifffile.imwrite(stream := io.BytesIO(), many, photometric="minisblack", planarconfig="contig")
    limits = Limits(max_pixels=100 * 100)
    with pytest.raises(BadImageError, match="has 3 MB in 300 channels; at most 0 are") as caught:
        load_image(stream.getvalue(), channels=(0,), limits=limits)
    assert caught.value.category == "too_large"


def test_values_that_pillow_does_not_read_may_be_passed_as_an_array():
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(stream := io.BytesIO(), np.zeros((12, 16), np.float64))
    with pytest.raises(BadImageError, match="pass its array, such as that of tifffile"):
        load_image(stream.getvalue())


def test_the_range_is_that_of_the_chosen_channels(tiny):
    """A channel of temperatures says nothing about the colours."""
    images = [np.full((16, 16, 5), shade / 10) for shade in range(1, 9)]
    for image in images:
        image[:, :, 4] = 210.0
    extractor = FeatureExtractor(**tiny, channels=(2, 1, 0)).fit(images)
    assert extractor.array_ranges_ == {"float": (0.0, 1.0)}
    three = FeatureExtractor(**tiny).fit([image[:, :, 2::-1] for image in images])
    np.testing.assert_array_equal(
        extractor.transform(images), three.transform([image[:, :, 2::-1] for image in images])
    )


def test_each_choice_has_rows_of_its_own(tiny, engine):
    """The same bytes, seen in another way, are never found under the first."""
    data = pages(BANDS[:, :, 0], BANDS[:, :, 1])
    made = [FeatureExtractor(**tiny, frame=frame).transform(data) for frame in (None, 0, 1)]
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()
    array = [BANDS[:, :, :3]]
    rgb, bgr = (
        FeatureExtractor(**tiny, channels=channels).transform(array) for channels in (None, (2, 1, 0))
    )
    assert (rgb != bgr).any()
    assert "frame" not in FeatureExtractor(**tiny).describe()


@pytest.mark.parametrize(
    "wrong", [{"frame": -1}, {"frame": True}, {"channels": (0, 1)}, {"channels": 3}, {"channels": (0, -1, 1)}]
)
def test_choices_that_are_none(wrong, tiny):
    with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))} must be the position"):
        FeatureExtractor(**tiny, **wrong).fit()
    with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))} must be the position"):
        load_image(BANDS, **wrong)


def test_a_saved_model_keeps_its_choice(tiny, tmp_path):
    registry.add(tiny["backbone"])
    images = [np.full((16, 16, 6), shade, np.uint8) for shade in range(10, 130, 10)]
    extractor = FeatureExtractor(channels=(5, 0, 1), frame=0)
    clf = Classifier(**tiny, extractor=extractor).fit(images, ["dark"] * 6 + ["bright"] * 6)
    clf.save(tmp_path / "model.safetensors")
    loaded = transferkit.load(tmp_path / "model.safetensors")
    assert loaded.extractor.frame == 0
    np.testing.assert_array_equal(loaded.predict_proba(images), clf.predict_proba(images))
