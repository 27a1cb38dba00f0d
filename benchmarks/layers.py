"""Where the time of a backbone goes, by kind of layer, beside what the processor could do.

    python benchmarks/layers.py [--backbones mobilenet_v2 resnet50 vgg16] [--seconds 5]

OpenVINO in float32 on batches of 2, one stream on all cores, whose own counters say how long each layer took;
random weights (seed 0) and pixels (seed 0). Operations are two for each weight at each place; the limit is
numpy's matrix product of 2048 x 2048, the best of 5. Bytes are those of the maps that a layer reads and
writes and of its weights: where a layer does few operations for each byte, memory is its limit, not
arithmetic, which a copy of 64 MB measures.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict, deque
from typing import NamedTuple

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from speed import SIZE, openvino_compiled, seconds, sgemm_rate

from transferkit import get_backbone
from transferkit.backbones import build_network, resolve_weights

BATCH = 2


class Convolution(NamedTuple):
    kind: str
    operations: float
    size: float  # bytes


def convolutions_of(model) -> dict[tuple[object, ...], deque[Convolution]]:
    """Return the convolutions for one image, by what can be told of one that has run."""
    found: dict[tuple[object, ...], deque[Convolution]] = defaultdict(deque)
    for layer in model.layers:
        kind = type(layer).__name__
        if "Conv" not in kind:
            continue
        depthwise, side = kind == "DepthwiseConv2D", layer.kernel.shape[0]
        height, width, channels = layer.output.shape[1:]
        work = 2.0 * height * width * np.prod(layer.kernel.shape)
        size = np.prod(layer.input.shape[1:]) + np.prod(layer.output.shape[1:])
        first = "first, " if layer.input.shape[-1] == 3 else ""
        name = f"{first}{'depthwise ' if depthwise else ''}{side} x {side}"
        found[depthwise, side == 1, channels].append(
            Convolution(name, work, 4.0 * (size + np.prod(layer.kernel.shape) / BATCH))
        )
    return found


def measure(name: str, duration: float, gemm: float, copy: float) -> None:
    row = get_backbone(name)
    model = build_network(row, resolve_weights(row, None), SIZE).model
    compiled = openvino_compiled(model, BATCH, "f32", "LATENCY", counters=True)
    request = compiled.create_infer_request()
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    array = row.preprocess(pixels)
    request.infer({0: array})
    taken: dict[str, float] = defaultdict(float)
    runs, started = 0, time.perf_counter()
    while time.perf_counter() - started < duration:
        request.infer({0: array})
        runs += 1
        for node in request.get_profiling_info():
            taken[node.node_name] += node.real_time.total_seconds()
    shapes = {op.friendly_name: op for op in compiled.get_runtime_model().get_ordered_ops()}
    known = convolutions_of(model)
    groups: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(3))
    for node in request.get_profiling_info():
        each = Convolution("others", 0.0, 0.0)
        if "Convolution" in node.node_type:
            channels = shapes[node.node_name].output(0).shape[1]
            depthwise, pointwise = node.node_type != "Convolution", "1x1" in node.exec_type
            # Some of 1 x 1 run by the code for all sizes.
            several = known[depthwise, pointwise, channels] or known[depthwise, True, channels]
            each = several.popleft()
        groups[each.kind] += (taken[node.node_name] / runs / BATCH, each.operations, each.size)
    assert not any(known.values()), "a convolution did not run"
    all_time = sum(part[0] for part in groups.values())
    print(f"\n## {name}: {1e3 * all_time:.1f} ms an image, {runs} runs of {BATCH}")
    print(f"{'layers':20} {'time':>6} {'GFLOP/s':>8} {'of limit':>9} {'GB/s':>6} {'of copy':>8}")
    for kind, (took, work, size) in sorted(groups.items(), key=lambda pair: -pair[1][0]):
        line = f"{kind:20} {took / all_time:6.0%}"
        if work:
            speed, bandwidth = work / took, size / took
            line += f" {speed / 1e9:8.0f} {speed / gemm:9.0%} {bandwidth / 1e9:6.1f} {bandwidth / copy:8.0%}"
        print(line)
    speed = sum(part[1] for part in groups.values()) / all_time
    print(f"{'all':20} {1:6.0%} {speed / 1e9:8.0f} {speed / gemm:9.0%}")


def copy_rate() -> float:
    """Return bytes per second, read and written, of a copy between arrays larger than the caches."""
    a, b = np.zeros(1 << 24, np.float32), np.empty(1 << 24, np.float32)
    return max(2 * a.nbytes / seconds(lambda: np.copyto(b, a)) for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbones", nargs="+", default=["mobilenet_v2", "resnet50", "vgg16"])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each backbone")
    options = parser.parse_args()
    gemm, copy = sgemm_rate(), copy_rate()
    print(f"{os.cpu_count()} cores: matrix product {gemm / 1e9:.0f} GFLOP/s, copy {copy / 1e9:.1f} GB/s")
    for name in options.backbones:
        measure(name, options.seconds, gemm, copy)


if __name__ == "__main__":
    main()
