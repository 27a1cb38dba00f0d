"""A driver for tests: extracts pictures on two processors of Ray, with a function in place of a network."""

import json
import sys
import time

import numpy as np


def means(pixels):
    """Return means of blocks, slowly enough to be killed in between."""
    time.sleep(0.002 * len(pixels))
    return np.asarray(pixels, np.float32).reshape(len(pixels), 4, 8, 4, 8, 3).mean(axis=(2, 4)) / 255


def other_elsewhere(pixels):
    """Return other features in the processes of Ray than in the driver."""
    return means(pixels) + float("worker" in sys.argv[0])


def extractor(function=means):
    """Return what the tests extract with."""
    from transferkit import Backbone, FeatureExtractor

    backbone = Backbone.from_function(function, image_size=32)
    return FeatureExtractor(backbone, grid="full", cache=False, progress=False)


def main(runs):
    """Do one run after the other, and print what came of each."""
    import ray

    from transferkit import distributed

    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(num_cpus=2, object_store_memory=100 * 2**20, **quiet)
    for run in runs:
        source, function = run.pop("source"), globals()[run.pop("function", "means")]
        if run.pop("dataset", False):
            source = ray.data.read_parquet(source)
        try:
            report = distributed.extract(source, extractor(function), **run)
        except Exception as error:  # noqa: BLE001
            print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)
        else:
            print(json.dumps(vars(report)), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
