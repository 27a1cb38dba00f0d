"""Metadata of an exported file."""

from __future__ import annotations

import json
from typing import Any

from transferkit._version import __version__
from transferkit.exports._proof import Gap


def metadata(predictor: Any, gap: Gap, n_probes: int) -> dict[str, str]:
    """Return JSON values by name."""
    task, extractor = predictor.task.to_json(), predictor.extractor
    facts = {
        "task": task,
        "features": extractor.describe(),
        "image_size": extractor.image_size_,
        "resize": extractor.settings().resize,
        "views": [view.name for view in predictor.views],
        "proof": {
            "difference": gap.difference,
            "tolerance": gap.allowed,
            "n_probes": n_probes,
        },
    }
    facts |= {name: task[name] for name in ("labels", "threshold", "thresholds", "names") if name in task}
    facts["version"] = __version__
    return {name: json.dumps(value) for name, value in facts.items()}
