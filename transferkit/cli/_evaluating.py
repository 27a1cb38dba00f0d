"""Evaluate a saved model on data of the command line."""

from __future__ import annotations

import argparse
from typing import Any

from transferkit.cli._shared import figures_of, read_column, read_data
from transferkit.cli._subjects import boxes_for, check_order, groups_of


def arguments_of(options: argparse.Namespace, model: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return images, targets, and the other parameters of ``evaluate`` for the flags."""
    data = read_data(options)
    X, y = data
    if getattr(model, "kind_for", lambda _: "")(y) == "labels" and y.dtype.kind == "U":
        y = [(label,) for label in y.tolist()]  # no image of this table has several
    labels = {str(label): label for label in getattr(model, "classes_", [])}
    figures = figures_of(options, model.kind_for(y) if hasattr(model, "kind_for") else "")
    figures["pos_label"] = labels.get(options.pos_label, options.pos_label)
    groups = read_column(options, "groups")
    groups = groups_of(data) if groups is None else groups
    check_order(model, data)
    return X, y, {"groups": groups, **boxes_for(model, data), **figures}
