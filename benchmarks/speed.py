"""Images per second from files to features, beside the tutorials' loop, the raw engines and the processor.

    python benchmarks/speed.py [--images FOLDER] [--backbones mobilenet_v2 ...] [--count 128] [--repeats 5]

Without --images, JPEG files of 640 x 480 are drawn (seed 0). Every way gets the same files, one after the
other, several times over; figures are medians, and the range of the repeats. Weights are random (seed 0):
speed does not depend on them. "arrays" start from preprocessed arrays in memory, "files" decode, resize, run
and store in a new cache: the whole map of the last layer, its average, or what a classifier reads: averages
of several layers. What happens once in a process (building, converting, compiling) is told apart. With
torchvision installed, its untrained network of the same name is run too, as its tutorials do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TRANSFERKIT_CACHE"] = tempfile.mkdtemp(prefix="transferkit-speed-")

from transferkit import FeatureExtractor, get_backbone, list_backbones
from transferkit.backbones import build_network, resolve_weights
from transferkit.engines import has_openvino
from transferkit.engines._openvino import import_openvino

SIZE = 224
TUTORIAL = "files: one model.predict per image"
STORED: dict[str, dict[str, object]] = {
    "whole map": {"layers": "last", "grid": "full"},
    "averaged": {"layers": "last", "grid": 1},
    "4 layers": {"layers": "auto"},
}
ENGINES = ("openvino", "bfloat16")


def draw(folder: Path, n: int) -> list[Path]:
    """Write pictures with large structures and some grain."""
    generator = np.random.default_rng(0)
    paths = []
    for i in range(n):
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC), dtype=np.float32)
        pixels = pixels + generator.normal(0, 6, pixels.shape)
        paths.append(folder / f"{i:04}.jpg")
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def tutorial(row, model, paths: list[Path]) -> None:
    from keras.utils import img_to_array, load_img

    for path in paths:
        pixels = img_to_array(load_img(path, target_size=(SIZE, SIZE)))[None]
        model.predict(row.preprocess(pixels), verbose=0)


def openvino_compiled(model, n: int, precision: str, hint: str, *, counters: bool = False):
    """Return a network for batches of n, set up as OpenVINO's own documentation says."""
    import tensorflow as tf

    openvino = import_openvino()
    graph = tf.function(lambda batch: model(batch, training=False)).get_concrete_function(
        tf.TensorSpec((n, SIZE, SIZE, 3), tf.float32)
    )
    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": hint}
    settings |= {"PERF_COUNT": "YES"} if counters else {}
    return openvino.Core().compile_model(openvino.convert_model(graph), "CPU", settings)


def openvino_arrays(model, arrays: np.ndarray, precision: str) -> Callable[[], None]:
    """Return a run over arrays at OpenVINO's best throughput, which small requests give."""
    n = 2
    compiled = openvino_compiled(model, n, precision, "THROUGHPUT")
    queue = import_openvino().AsyncInferQueue(
        compiled, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    )

    def run() -> None:
        for start in range(0, len(arrays), n):
            queue.start_async({0: arrays[start : start + n]})
        queue.wait_all()

    return run


def openvino_single(model, n: int) -> Callable[[np.ndarray], object]:
    """Return a run of one batch of n at OpenVINO's least latency."""
    request = openvino_compiled(model, n, "f32", "LATENCY").create_infer_request()
    return lambda array: request.infer({0: array})


def onnx_arrays(model, arrays: np.ndarray) -> Callable[[], None]:
    """Return a run of ONNX Runtime on batches of 8."""
    import onnxruntime
    import tf2onnx  # noqa: F401 - Keras exports through it

    path = Path(tempfile.mkdtemp()) / "model.onnx"
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run() -> None:
        for start in range(0, len(arrays), 8):
            session.run(None, {name: arrays[start : start + 8]})

    return run


def torch_files(name: str, paths: list[Path], n: int) -> Callable[[], None]:
    """Return PyTorch's way from files to a vector each, in batches of n, one after the other."""
    import torch
    import torchvision
    from torchvision.transforms import v2

    network = getattr(torchvision.models, name)(weights=None).eval()
    body = torch.nn.Sequential(network.features, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    prepare = v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize((SIZE, SIZE), antialias=True),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )

    class Pictures(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, i: int):
            return prepare(Image.open(paths[i]).convert("RGB"))

    loader = torch.utils.data.DataLoader(Pictures(), n)

    def run() -> None:
        with torch.inference_mode():
            for batch in loader:
                body(batch)

    return run


def files(name: str, paths: list[Path], **parameters: object) -> Callable[[], None]:
    """Return an extraction from files into a new cache; the engine is built before."""

    def run(some: list[Path] = paths) -> None:
        with tempfile.TemporaryDirectory() as cache:
            FeatureExtractor(name, weights=None, cache=cache, progress=False, **parameters).extract(some)

    run(paths[:9])
    return run


def operations(model) -> float:
    """Return the floating-point operations for one image: two for each weight at each place."""
    layers = [layer for layer in model.layers if "Conv" in type(layer).__name__]
    return float(sum(2 * np.prod(each.output.shape[1:3]) * np.prod(each.kernel.shape) for each in layers))


def sgemm_rate(n: int = 2048) -> float:
    """Return operations per second of numpy's matrix product, the best of 5."""
    a = np.random.default_rng(0).random((n, n), dtype=np.float32)
    return max(2 * n**3 / seconds(lambda: a @ a) for _ in range(5))


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure(name: str, paths: list[Path], n_tutorial: int, repeats: int) -> None:
    row = get_backbone(name)
    model = build_network(row, resolve_weights(row, None), SIZE).model
    with_pixels = (Image.open(path).convert("RGB").resize((SIZE, SIZE)) for path in paths)
    arrays = row.preprocess(np.stack([np.asarray(image) for image in with_pixels]))
    makers: dict[str, Callable[[], Callable[[], None]]] = {
        TUTORIAL: lambda: lambda: tutorial(row, model, paths[:n_tutorial]),
        "arrays: Keras predict, batches of 32": lambda: lambda: model.predict(arrays, 32, verbose=0),
        "arrays: ONNX Runtime float32": lambda: onnx_arrays(model, arrays),
        "arrays: OpenVINO float32": lambda: openvino_arrays(model, arrays, "f32"),
        "arrays: OpenVINO bfloat16": lambda: openvino_arrays(model, arrays, "bf16"),
        "files: PyTorch, one image at a time": lambda: torch_files(name, paths, 1),
        "files: PyTorch, batches of 32": lambda: torch_files(name, paths, 32),
    }
    for what, parameters in STORED.items():
        for engine in ENGINES:
            how = {"precision": engine} if engine == "bfloat16" else {"engine": engine}
            makers[f"files, {what}: transferkit, {engine}"] = lambda all=parameters | how: files(
                name, paths, **all
            )
    print(f"\n## {name}, {SIZE} px, {len(paths)} images ({n_tutorial} for the loop), {repeats} repeats")
    ways, rates = {}, {}
    for label, make in makers.items():
        try:
            started = time.perf_counter()
            ways[label] = make()
            ways[label]()  # traces, and warms up
            print(f"{label:44} ready after {time.perf_counter() - started:5.1f} s", flush=True)
        except Exception as error:  # noqa: BLE001 - converters raise what they like
            print(f"{label:44} skipped: {type(error).__name__}: {str(error).splitlines()[0][:120]}")
    for _ in range(repeats):
        for label, run in ways.items():
            n = n_tutorial if label == TUTORIAL else len(paths)
            rates.setdefault(label, []).append(n / seconds(run))
    middle = {label: statistics.median(found) for label, found in rates.items()}
    print(f"{'':44} {'images/s':>9}  {'range':>15}  {'x loop':>7}  {'x raw':>6}")
    raw = {"keras": "arrays: Keras predict, batches of 32", "openvino": "arrays: OpenVINO float32"}
    for label, found in rates.items():
        same = raw.get(label.split(", ")[-1], "arrays: OpenVINO bfloat16")
        share = f"{middle[label] / middle[same]:6.2f}" if "transferkit" in label and same in middle else ""
        spread = f"{min(found):.1f} - {max(found):.1f}"
        print(
            f"{label:44} {middle[label]:9.1f}  {spread:>15}  {middle[label] / middle[TUTORIAL]:7.2f}  {share}"
        )
    (facts,) = list_backbones(name, details=True)
    limit, work = sgemm_rate(), operations(model) or 1e9 * (facts["gflop"] or np.nan)
    print(f"{'float32 limit by sgemm':44} {limit / work:9.1f}  ({limit / 1e9:.0f} / {work / 1e9:.2f} GFLOP)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, help="a folder of pictures to use instead")
    parser.add_argument("--backbones", nargs="+", default=["mobilenet_v2", "resnet50", "vgg16"])
    parser.add_argument("--count", type=int, default=128, help="images")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few images, one repeat: does it work?")
    options = parser.parse_args()
    n, n_tutorial, repeats = (32, 3, 1) if options.quick else (options.count, 16, options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        found = sorted(options.images.rglob("*.[jp][pn]*g"))[:n] if options.images else draw(Path(folder), n)
        print(f"{os.cpu_count()} cores, {'with' if has_openvino() else 'without'} OpenVINO")
        for name in options.backbones:
            measure(name, found, n_tutorial, repeats)


if __name__ == "__main__":
    main()
