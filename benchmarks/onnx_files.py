"""Images per second of a network in an ONNX file, from files to features, beside the raw runtimes.

    python benchmarks/onnx_files.py MODEL.onnx --mean 127 --std 128 [--images FOLDER]

Every way gets the same pictures (without --images, JPEG files of 640 x 480 are drawn), one after the other,
several times over in turns; figures are medians. "arrays" start from preprocessed arrays in memory: a runtime
alone, set up as its documentation says, or with one call on each core, whichever is faster. "files" decode,
resize, normalise, run, and, for transferkit, average and store in a new cache.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["TRANSFERKIT_CACHE"] = tempfile.mkdtemp(prefix="transferkit-speed-")

import numpy as np
import onnxruntime
import openvino
from PIL import Image

from transferkit import Backbone, FeatureExtractor
from transferkit.datasets import make_faces


def draw(folder: Path, n: int) -> list[Path]:
    """Write drawn faces of 640 x 480 with some grain."""
    generator = np.random.default_rng(0)
    paths = []
    for i, face in enumerate(make_faces(n, random_state=0).images):
        pixels = np.asarray(Image.fromarray(face).resize((640, 480)), np.float32)
        pixels = pixels + generator.normal(0, 6, pixels.shape)
        paths.append(folder / f"{i:04}.jpg")
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def read(path: Path, backbone: Backbone) -> np.ndarray:
    """Return a picture as most scripts do: decoded, resized, normalised."""
    size = (backbone.image_size,) * 2
    pixels = np.asarray(Image.open(path).convert("RGB").resize(size, Image.Resampling.BILINEAR))
    return backbone.preprocess(pixels[None]).transpose(0, 3, 1, 2)


def runtime(path: Path, threads: int, batch: int, workers: int) -> Callable[[np.ndarray], object]:
    """Return a run of ONNX Runtime over arrays."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    pool = ThreadPoolExecutor(workers)

    def run(arrays: np.ndarray) -> None:
        blocks = [arrays[at : at + batch] for at in range(0, len(arrays), batch)]
        list(pool.map(lambda block: session.run(None, {name: block}), blocks))

    return run


def compiled(path: Path, batch: int, shape: tuple[int, ...]) -> Callable[[np.ndarray], object]:
    """Return a run of OpenVINO over arrays, for throughput, in float32."""
    core = openvino.Core()
    model = core.read_model(str(path))
    model.reshape([batch, *shape])
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    queue = openvino.AsyncInferQueue(core.compile_model(model, "CPU", hints))

    def run(arrays: np.ndarray) -> None:
        for at in range(0, len(arrays), batch):
            queue.start_async({0: arrays[at : at + batch]})
        queue.wait_all()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--mean", type=float, nargs="+", default=[127.5])
    parser.add_argument("--std", type=float, nargs="+", default=[127.5])
    parser.add_argument("--images", type=Path)
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    three = [each * 3 if len(each) == 1 else each for each in (options.mean, options.std)]
    backbone = Backbone.from_onnx(options.model, mean=three[0], std=three[1])
    folder = Path(tempfile.mkdtemp())
    paths = sorted(options.images.rglob("*.jp*g"))[: options.count] if options.images else []
    paths = paths or draw(folder, options.count)
    arrays = np.concatenate([read(path, backbone) for path in paths])
    cores = os.cpu_count() or 1
    one_each = runtime(options.model, 1, 2, cores)

    def ours(engine: str) -> Callable[[], object]:
        def run() -> None:
            cache = tempfile.mkdtemp(dir=folder)
            FeatureExtractor(
                backbone, layers="auto", grid=4, engine=engine, cache=cache, progress=False
            ).transform(paths)

        return run

    defaults, alone = runtime(options.model, 0, 8, 1), runtime(options.model, 0, 1, 1)
    converted = compiled(options.model, 2, arrays.shape[1:])
    ways: dict[str, Callable[[], object]] = {
        "arrays: ONNX Runtime, defaults, batch 8": lambda: defaults(arrays),
        "arrays: ONNX Runtime, a call on each core": lambda: one_each(arrays),
        "arrays: OpenVINO, batch 2": lambda: converted(arrays),
        "files: ONNX Runtime in a loop, one by one": lambda: [alone(read(path, backbone)) for path in paths],
        "files: transferkit, ONNX Runtime": ours("onnxruntime"),
        "files: transferkit, OpenVINO": ours("openvino"),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(1 + options.repeats):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - start)
    rates = {name: len(paths) / statistics.median(found) for name, found in times.items()}
    print(f"{options.model.name}: {backbone.image_size} pixels, {len(paths)} images, {cores} cores")
    for name, rate in rates.items():
        engine = "OpenVINO" if "OpenVINO" in name else "ONNX Runtime"
        best = max(each for way, each in rates.items() if way.startswith("arrays") and engine in way)
        print(f"{name:45} {rate:7.1f} images/s   {rate / best:6.2f} of the arrays' best with {engine}")


if __name__ == "__main__":
    main()
