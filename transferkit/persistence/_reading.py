"""Read the parts of a model of images without importing its estimator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from transferkit.persistence._document import check_features
from transferkit.persistence._file import read_model
from transferkit.persistence._own_weights import with_own_weights
from transferkit.persistence._parts import Parts, as_tuples, backbone_of, parts_of, ranges_of, settings_of
from transferkit.persistence._places import with_folders
from transferkit.persistence._schema import LOCAL, check_document


class SavedParts(NamedTuple):
    """The parts of a model of images.

    Attributes
    ----------
    parts : Parts
        The trained parts.
    parameters : dict
        Parameters of the estimator.
    extraction : dict
        Parameters for extracting features of whole images, with the layers and grids chosen in ``fit``.
    ranges : dict
        Values of black and white for each kind of array.
    check : callable
        Takes the description of an extraction, and raises ModelFileError unless its features are those that
        the model was trained on.
    """

    parts: Parts
    parameters: dict[str, Any]
    extraction: dict[str, Any]
    ranges: dict[str, tuple[float, float]]
    check: Any


def read_parts(
    path: str | os.PathLike[str], estimators: Mapping[str, tuple[tuple[str, ...], frozenset[str]]]
) -> SavedParts:
    """Return the parts of a saved model, checked as :func:`transferkit.load` does.

    Parameters
    ----------
    path : path
        File that ``save`` wrote.
    estimators : mapping
        The names of the parameters and the kinds of tasks of each estimator whose models can be read.

    Raises
    ------
    TransferKitError, OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError
        The file is not such a model, or the model was trained on arrays.
    """
    tensors, document = read_model(path)
    if document["schema"] == 1:
        raise ValueError("a model of version 0")
    document = with_folders(with_own_weights(document, tensors), path)
    names, kinds = estimators[document["estimator"]]
    check_document(document, tuple(name for name in names if name not in LOCAL))
    features, given = document["features"], as_tuples(document["parameters"])
    if features is None:
        raise ValueError("a model of arrays")
    parts = parts_of(document, tensors)
    if parts.task.kind not in kinds:
        raise ValueError(f"a task of kind {parts.task.kind!r} in a {document['estimator']}")
    extraction = {
        **settings_of(document),
        "backbone": backbone_of(document),
        "weights": given["weights"],
        "image_size": given["image_size"],
        "layers": tuple(features["layers"]),
        "grid": tuple("full" if cells is None else cells for cells in features["grid"]),
    }
    return SavedParts(
        parts, given, extraction, ranges_of(features), lambda current: check_features(features, current, path)
    )
