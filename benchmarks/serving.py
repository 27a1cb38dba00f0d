"""Serving: an exported model behind HTTP, asked by many clients at once.

    pip install ".[benchmarks]"
    python benchmarks/serving.py --images FOLDER [--backbone mobilenet_v2] [--clients 50] [--requests 1000]

A classifier with random weights (seed 0) is exported to ONNX and served by examples/exported/serve.py under
uvicorn, in a process of its own, on the loopback interface. Clients send pictures of the folder one after the
other, each as soon as it has its answer. Printed are requests a second, the median and the 99th percentile of
waiting, the largest difference from the model's own probabilities, and the same picture by picture from one
client.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import Classifier, export, set_config

EXAMPLES = Path(__file__).parent.parent / "examples" / "exported"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def ask(address: str, pictures: list[bytes], n_clients: int, n_requests: int):
    """Return answers by picture, and how long each request took."""
    import httpx

    answers: dict[int, dict[str, float]] = {}
    taken: list[float] = []
    numbers = iter(range(n_requests))
    limits = httpx.Limits(max_connections=n_clients)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:

        async def work() -> None:
            for number in numbers:
                started = time.perf_counter()
                response = await client.post("/predict", content=pictures[number % len(pictures)])
                taken.append(time.perf_counter() - started)
                response.raise_for_status()
                answers[number % len(pictures)] = response.json()["probabilities"]

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(n_clients)))
        return answers, taken, time.perf_counter() - started


def wait_for(address: str) -> None:
    import httpx

    for _ in range(300):
        try:
            httpx.get(address)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(address)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args()
    paths = sorted(path for path in options.images.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    paths = paths[:: max(1, len(paths) // 100)][:100]
    with tempfile.TemporaryDirectory() as temporary:
        set_config(progress=False, cache=temporary)
        model = Classifier(options.backbone, weights=None).fit(paths, [i % 2 for i in range(len(paths))])
        file = Path(temporary) / "model.onnx"
        export(model, file)
        address = f"http://127.0.0.1:{(port := free_port())}"
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "serve:app",
            "--port",
            str(port),
            "--log-level",
            "warning",
        ]
        server = subprocess.Popen(command, cwd=EXAMPLES, env={**os.environ, "MODEL": str(file)})
        try:
            wait_for(address)
            pictures = [path.read_bytes() for path in paths]
            print(f"{len(os.sched_getaffinity(0))} cores, {options.backbone}, {len(paths)} pictures")
            expected = model.predict_proba(paths)
            for n_clients, n_requests in (
                (1, min(100, options.requests)),
                (options.clients, options.requests),
            ):
                asyncio.run(ask(address, pictures, n_clients, 20))  # warm
                answers, taken, seconds = asyncio.run(ask(address, pictures, n_clients, n_requests))
                gap = max(
                    abs(np.array(list(found.values())) - expected[row]).max()
                    for row, found in answers.items()
                )
                median, last = np.quantile(taken, [0.5, 0.99]) * 1e3
                print(
                    f"{n_clients:3} clients: {n_requests / seconds:6.1f} requests/s, median {median:.0f} ms, "
                    f"99 % {last:.0f} ms, largest difference {gap:.1e}",
                    flush=True,
                )
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
