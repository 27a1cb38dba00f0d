"""Metadata of an exported file."""

from __future__ import annotations

import json
from typing import Any

from transferkit._version import __version__
from transferkit.exports._proof import Proof


def metadata(predictor: Any, proof: Proof, difference: float) -> dict[str, str]:
    """Return JSON values by name."""
    task, extractor = predictor.task.to_json(), predictor.extractor
    facts = {
        "task": task,
        "features": extractor.describe(),
        "image_size": extractor.image_size_,
        "resize": extractor.settings().resize,
        "views": [view.name for view in predictor.views],
        "proof": {
            "difference": difference,
            "tolerance": proof.tolerance,
            "n_probes": len(proof.probes),
        },
    }
    facts |= {name: task[name] for name in ("labels", "threshold", "thresholds", "names") if name in task}
    facts["version"] = __version__
    return {name: json.dumps(value) for name, value in facts.items()}
