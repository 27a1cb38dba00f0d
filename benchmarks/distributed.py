"""Generated pictures through Ray on two processors, against the same extractor in one process.

    python benchmarks/distributed.py [--images 2000 20000] [--backbone mobilenet] [--shard-rows 500]

Pictures are JPEGs of 160 x 160 pixels, drawn (seed 0) and all different; the backbone has random weights
(seed 0), so this says nothing of accuracy. For each number of pictures, each in processes of its own:

- local: ``transform``, with the cache on disk; the engine is built before the clock starts;
- ray: ``distributed.extract`` on ``ray.init(num_cpus=2)``; "start" is from the call to the first shard,
  less the time of one shard. The overhead a picture is that of the time from the first shard to the last over
  the local time, and the other that of the whole call;
- again: the same call, which finds everything;
- killed: another output, driver and actors killed (SIGKILL) when half of the shards are there, then resumed;
- read: ``read_features`` and ``rows()`` of all.

Memory is the most that was seen (twice a second) of the memory of their own (RssAnon) of the driver and of
the actor. Linux only. Two processors must be idle, or the figures compare other people's work.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def draw(folder: Path, n: int) -> None:
    """Write n pictures, a thousand to a folder."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for i in range(n):
        path = folder / f"{i // 1000:04}" / f"{i:06}.jpg"
        path.parent.mkdir(exist_ok=True, parents=True)
        coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((160, 160), Image.Resampling.BICUBIC).save(path, quality=85)


def extractor(backbone):
    from transferkit import FeatureExtractor

    return FeatureExtractor(backbone, weights=None, progress=False)


def local(backbone, folder, output):
    import numpy as np

    from transferkit import images

    paths = images.as_image_list(folder)
    made = extractor(backbone)
    made.transform(np.zeros((32, 64, 64, 3), np.uint8))
    started = time.perf_counter()
    rows = made.transform(paths)
    seconds = time.perf_counter() - started
    np.save(output, rows)
    return {"seconds": seconds, "engine": made.describe()["engine"]}


def on_ray(backbone, folder, output, rows):
    import ray

    from transferkit import distributed

    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200 * 2**20, **quiet)
    made = extractor(backbone)
    started = time.time()
    report = distributed.extract(folder, made, output, shard_rows=int(rows))
    return {**vars(report), "started": started}


def read(folder, output, expected):
    import numpy as np
    import pyarrow.parquet as pq

    from transferkit import distributed, images

    paths = images.as_image_list(folder)
    started = time.perf_counter()
    features = distributed.read_features(output)
    indexed = time.perf_counter() - started
    rows = features.rows(paths)
    seconds = time.perf_counter() - started - indexed
    names = [
        name for path in Path(output).glob("features-*") for name in pq.read_table(path)["id"].to_pylist()
    ]
    wanted = np.load(expected)
    return {
        "index_seconds": indexed,
        "rows_seconds": seconds,
        "twice": len(names) - len(set(names)),
        "missing": len(paths) - len(set(names)),
        "different_rows": int((rows != wanted).any(axis=1).sum()),
        "largest_difference": float(np.abs(rows - wanted).max()),
        "width": rows.shape[1],
    }


TASKS = {"local": local, "ray": on_ray, "read": read}


def start(*task):
    command = [sys.executable, __file__, "--task", json.dumps([str(word) for word in task])]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, start_new_session=True)


def finish(process, memory=None):
    """Return what a task printed; note the peaks of driver and actors by the way."""
    while process.poll() is None:
        if memory is not None:
            observe(process.pid, memory)
        time.sleep(0.5)
    found = re.findall(r"^(\{.*\})$", process.communicate()[0], re.M)
    return json.loads(found[-1])


def observe(root, memory):
    """Raise the peaks of a driver and of the actors below it."""
    parents, held, actors = {}, {}, []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text, title = status.read_text(), (status.parent / "cmdline").read_text()
        except OSError:
            continue
        pid = int(status.parent.name)
        parents[pid] = int(re.search(r"PPid:\s+(\d+)", text)[1])
        held[pid] = int(match[1]) / 1024 if (match := re.search(r"RssAnon:\s+(\d+)", text)) else 0
        if "MapWorker" in title:
            actors.append(pid)
    memory["driver"] = max(memory.get("driver", 0), held.get(root, 0))
    for pid in actors:
        above = pid
        while above > 1 and above != root:
            above = parents.get(above, 0)
        if above == root:
            memory["actor"] = max(memory.get("actor", 0), held[pid])


def killed_at_half(task, output, n_shards):
    """Start a run, and kill driver and actors when half of the shards are there."""
    process = start(*task)
    while len(list(Path(output).glob("features-*"))) < n_shards // 2:
        if process.poll() is not None:
            raise SystemExit("the run ended before it was killed")
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(5)  # actors see that their driver is gone
    return len(list(Path(output).glob("features-*")))


def measure(folder: Path, backbone: str, n: int, shard_rows: int) -> None:
    pictures, memory = folder / "pictures", {}
    draw(pictures, n)
    here = finish(start("local", backbone, pictures, folder / "local.npy"))
    task = ("ray", backbone, pictures, folder / "out", shard_rows)
    there = finish(start(*task), memory)
    times = sorted(path.stat().st_mtime for path in (folder / "out").glob("features-*"))
    per_shard = (times[-1] - times[0]) / max(len(times) - 1, 1)
    steady, alone = per_shard / shard_rows, here["seconds"] / n
    start_up = times[0] - there["started"] - per_shard
    again = finish(start(*task))
    task = ("ray", backbone, pictures, folder / "killed", shard_rows)
    before = killed_at_half(task, folder / "killed", len(times))
    resumed = finish(start(*task))
    whole, parts = (
        finish(start("read", pictures, folder / name, folder / "local.npy")) for name in ("out", "killed")
    )
    share, of_all = steady / alone - 1, there["seconds"] / here["seconds"] - 1
    for title, text in (
        (f"{n:,} pictures", f"{backbone}, random weights, {here['engine']}, shards of {shard_rows}"),
        ("local", f"{here['seconds']:.1f} s, {1000 * alone:.2f} ms a picture"),
        ("ray", f"{there['seconds']:.1f} s, {1000 * steady:.2f} ms a picture, start {start_up:.1f} s"),
        ("overhead", f"{100 * share:.1f} % a picture, {100 * of_all:.1f} % of the whole call"),
        ("again", f"{again['seconds']:.1f} s, {again['n_skipped']:,} skipped"),
        ("killed", f"at {before:,} of {len(times):,} shards"),
        ("resumed", f"{resumed['seconds']:.1f} s, {resumed['n_skipped']:,} skipped, "
                    f"{resumed['n_written']:,} written"),
        ("ray: rows", differences(whole)),
        ("resumed: rows", differences(parts)),
        ("shards", f"{there['n_bytes'] / n:.0f} bytes a picture, of {whole['width']} values"),
        ("read", f"{whole['index_seconds']:.2f} s for names, {whole['rows_seconds']:.2f} s for rows"),
        ("memory", f"{memory.get('driver', 0):.0f} MB driver, {memory.get('actor', 0):.0f} MB actor"),
    ):  # fmt: skip
        print(f"{title:15} {text}", flush=True)


def differences(found):
    """Return in words how the rows of an output differ from the local ones."""
    return (
        f"{found['different_rows']} differ (by {found['largest_difference']:.1e} at most), "
        f"{found['twice']} twice, {found['missing']} missing"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--backbone", default="mobilenet")
    parser.add_argument("--shard-rows", type=int, default=500)
    parser.add_argument("--task")
    arguments = parser.parse_args()
    if arguments.task:
        name, *words = json.loads(arguments.task)
        print(json.dumps(TASKS[name](*words)), flush=True)
        return
    for n in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TRANSFERKIT_CACHE"] = f"{folder}/cache"
            measure(Path(folder), arguments.backbone, n, arguments.shard_rows)


if __name__ == "__main__":
    main()
