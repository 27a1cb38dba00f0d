"""How long a user waits: import, one prediction, a second fit, 1,000 known images, one large photograph.

    python benchmarks/latency.py [--backbone mobilenet_v2] [--repeats 100]

Weights are random (seed 0) and pictures are drawn (seed 0): times do not depend on them. Every prediction is
of a picture never seen before, so that nothing comes from the cache. Ways take turns, figures are medians.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TRANSFERKIT_CACHE"] = tempfile.mkdtemp(prefix="transferkit-latency-")

from speed import SIZE, draw, openvino_single

from transferkit import Classifier, FeatureExtractor, get_backbone, load, set_config
from transferkit.backbones import build_network, resolve_weights
from transferkit.images import Target, read_source, resize_image

SECOND_FIT = """
import sys, time
from transferkit import Classifier
paths, labels = sys.argv[2:], [i % 2 for i in range(len(sys.argv) - 2)]
classifier = Classifier(sys.argv[1], weights=None, head="linear").fit(paths, labels)
report = classifier.report_
assert (report.n_decoded, report.n_backbone_calls) == (0, 0), report
assert not {"tensorflow", "keras", "openvino"} & set(sys.modules)
print(report.seconds)
"""


FIRST_FIT = """
import sys
import numpy as np
from transferkit import Classifier
pictures = list(np.random.default_rng().integers(0, 256, (4, 64, 64, 3), dtype=np.uint8))
Classifier(sys.argv[1], weights=None, head="linear").fit(pictures, [0, 1, 0, 1])
"""


def milliseconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - started)


def import_time(repeats: int) -> None:
    """Of the import alone, in processes of their own."""
    code = "import time; t = time.perf_counter(); import transferkit; print(time.perf_counter() - t)"
    times = [
        1e3 * float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(repeats)
    ]
    print(f"import transferkit: {statistics.median(times):.1f} ms (slowest of {repeats}: {max(times):.1f})")


def one_prediction(name: str, folder: Path, paths: list[Path], repeats: int) -> None:
    row = get_backbone(name)
    model = build_network(row, resolve_weights(row, None), SIZE).model
    labels = [i % 2 for i in range(len(paths))]
    generator = np.random.default_rng(1)
    pictures = iter(generator.integers(0, 256, (5 * (repeats + 5), SIZE, SIZE, 3), dtype=np.uint8))
    ways: dict[str, Callable[[np.ndarray], object]] = {}
    for n in (1, 2):
        run = openvino_single(model, n)
        ways[f"raw OpenVINO, {n} square{'s' * (n > 1)}"] = lambda picture, run=run, n=n: run(
            np.repeat(row.preprocess(picture[None]), n, axis=0)
        )
    for augment in (None, "mirror"):
        path = folder / f"{augment}.safetensors"
        Classifier(name, weights=None, augment=augment).fit(paths, labels).save(path)
        ways[f"transferkit, augment={augment!r}"] = load(path).predict
    ways["tutorial: model.predict"] = lambda picture: model.predict(
        row.preprocess(picture[None].astype(np.float32)), verbose=0
    )
    times: dict[str, list[float]] = {label: [] for label in ways}
    for turn in range(repeats + 5):
        for label, run in ways.items():
            picture = next(pictures)
            taken = milliseconds(lambda run=run, picture=picture: run(picture))
            times[label] += [taken] if turn >= 5 else []
    middle = {label: statistics.median(found) for label, found in times.items()}
    raw = list(middle.values())[:2]
    print(f"\none prediction, {name}, an array of {SIZE} x {SIZE} never seen, {repeats} repeats")
    for label, found in middle.items():
        share = ""
        if label.startswith("transferkit"):
            share = f"{found / raw['mirror' in label]:6.2f} x the raw run of as many squares"
        print(f"  {label:34} {found:7.1f} ms {share}")


def second_fit(name: str, paths: list[Path]) -> None:
    labels = [i % 2 for i in range(len(paths))]
    first = Classifier(name, weights=None).fit(paths, labels).report_.seconds
    command = [sys.executable, "-c", SECOND_FIT, name, *map(str, paths)]
    again = float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    print(f"\nfeatures of {len(paths)} files for a fit: first {first:.1f} s, engine built before;")
    print(f"  another head in a new process {again:.3f} s ({first / again:.0f} x faster), no TensorFlow")


def known_images(name: str, folder: Path, n: int = 1000, repeats: int = 5) -> None:
    """From the names of known files to features in memory, beside reading as many from one file."""
    (folder / "known").mkdir()
    paths = draw(folder / "known", n)
    print(f"\nfeatures of {n:,} known files, in this process")
    for what, settings in (
        ("the last layer, averaged", {"grid": 1}),
        ("the four layers and grids of a classifier", None),
        ("the last layer, whole", {"grid": "full"}),
    ):
        if settings is None:
            extractor, _ = Classifier(name, weights=None, augment=None).plan_extraction([0, 1] * 20)
        else:
            extractor = FeatureExtractor(name, weights=None, layers="last", **settings)
        extractor.extract(paths).maps()
        plain = folder / "plain.npy"
        maps = extractor.extract(paths).maps()
        np.save(plain, np.concatenate([array.reshape(n, -1) for array in maps], axis=1).astype(np.float16))
        taken, copied = [], []
        for _ in range(repeats):
            taken.append(milliseconds(lambda extractor=extractor: extractor.extract(paths).maps()))
            copied.append(milliseconds(lambda plain=plain: np.load(plain).astype(np.float32)))
        size = sum(array.nbytes for array in maps) / 1e6
        middle, least = statistics.median(taken), statistics.median(copied)
        print(
            f"  {what:44} {middle:6.0f} ms for {size:4.0f} MB; from one half-precision file {least:5.0f} ms"
        )


def new_process(name: str, folder: Path, paths: list[Path], repeats: int) -> None:
    """The command line on a saved model, each time in a process of its own, with compiled files of Python."""
    model, cache = folder / "model.safetensors", Path(os.environ["TRANSFERKIT_CACHE"])
    Classifier(name, weights=None).fit(paths, [i % 2 for i in range(len(paths))]).save(model)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    generator, picture = np.random.default_rng(2), folder / "new.png"

    def draw_new() -> None:
        Image.fromarray(generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(picture)

    def forget_graphs() -> None:
        draw_new()
        for path in cache.glob("graph-*"):
            path.unlink()

    python = [sys.executable]
    predict = [*python, "-m", "transferkit", "predict", str(model), str(picture)]
    ways = {
        "import numpy": ([*python, "-c", "import numpy"], None),
        "import sklearn.linear_model": ([*python, "-c", "import sklearn.linear_model"], None),
        "import tensorflow": ([*python, "-c", "import tensorflow"], None),
        "predict: a new image, network not yet converted": (predict, forget_graphs),
        "predict: a new image": (predict, draw_new),
        "predict: a known image": (predict, None),
        "fit: 4 new images": ([*python, "-c", FIRST_FIT, name], None),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(repeats + 1):  # the first compiles files
        for way, (command, before) in ways.items():
            if before is not None:
                before()
            taken = milliseconds(
                lambda command=command: subprocess.run(
                    command, env=environment, capture_output=True, check=True
                )
            )
            times[way] += [taken] if turn else []
    print(f"\na new process, {name}, {repeats} repeats")
    for way, found in times.items():
        print(f"  {way:48} {statistics.median(found) / 1e3:5.2f} s")
    for way in ("predict: a new image", "predict: a known image"):
        (draw_new if "new" in way else lambda: None)()
        timed = [sys.executable, "-X", "importtime", *predict[1:]]
        lines = subprocess.run(timed, env=environment, capture_output=True, check=True, text=True).stderr
        print(f"{way}, import times: {import_summary(lines)}")


def import_summary(lines: str) -> str:
    """Return the milliseconds that each package took by itself, from what ``-X importtime`` prints."""
    own: dict[str, float] = {}
    for line in lines.splitlines():
        if not line.startswith("import time:") or "cumulative" in line:
            continue
        taken, _, module = line.removeprefix("import time:").split("|")
        package = module.strip().partition(".")[0]
        known = (
            package
            if package in ("numpy", "PIL", "openvino", "transferkit", "scipy", "sklearn")
            else "others"
        )
        own[known] = own.get(known, 0.0) + float(taken) / 1e3
    largest = sorted(own.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{package} {taken:.0f}" for package, taken in largest) + " ms"


def large_photograph(repeats: int) -> None:
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((4000, 3000), Image.Resampling.BICUBIC), dtype=np.float32)
    pixels = np.clip(pixels + generator.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    source = read_source(buffer.getvalue())

    def square(target: Target | None) -> np.ndarray:
        image = source.decode(target=target)
        return resize_image(image.pixels, SIZE, original=image.size, box=image.box).astype(float)

    times = np.array(
        [
            [milliseconds(lambda t=target: square(t)) for target in (None, Target(SIZE))]
            for _ in range(repeats)
        ]
    )
    full, small = np.median(times, axis=0)
    difference = np.abs(square(None) - square(Target(SIZE)))
    print(
        f"\na JPEG of 12 megapixels to {SIZE} x {SIZE}: {full:.0f} ms in full, {small:.0f} ms as it is done,"
    )
    print(f"  {full / small:.1f} x faster; of 255, squares differ by {difference.mean():.2f} in the mean,")
    print(f"  and by {difference.max():.0f} at most")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    set_config(progress=False)
    print(f"{os.cpu_count()} cores")
    import_time(10)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = draw(folder, 256)
        one_prediction(options.backbone, folder, paths[:40], options.repeats)
        new_process(options.backbone, folder, paths[:40], 5)
        second_fit(options.backbone, paths[40:])
        known_images(options.backbone, folder)
    large_photograph(10)


if __name__ == "__main__":
    main()
