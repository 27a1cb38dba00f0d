"""Report on a fitted model and images: its card, an evaluation and an audit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing import AuditReport, audit, one_vector
from transferkit.cards import ModelCard
from transferkit.datasets import labelled_images
from transferkit.errors import InvalidInputError
from transferkit.estimators import ImageEstimator
from transferkit.evaluation import evaluate
from transferkit.foundation.files import write_text
from transferkit.images import Reader

_FEWEST = 3  # images that make a map


@dataclass(frozen=True)
class ModelReport:
    """Report on a model and images, returned by `transferkit.report`.

    Attributes
    ----------
    card : ModelCard
        Model card, including the evaluation.
    evaluation : evaluation
        Result of :func:`transferkit.evaluate` on the images.
    audit : AuditReport or None
        Audit of the images.
    vectors : ndarray of float32, shape (n_readable, d), or None
        Features for the map; None for fewer than three images.
    images : list
        The readable images.
    labels : list or None
        Values by which they are coloured on the map.
    reader : transferkit.images.Reader
        How the model reads the images, so that the page shows the same pictures.
    """

    card: ModelCard
    evaluation: Any
    audit: AuditReport | None
    vectors: NDArray[np.float32] | None = field(repr=False)
    images: list[Any] = field(repr=False)
    labels: list[Any] | None = field(repr=False)
    reader: Reader = field(default=Reader(), repr=False)

    @property
    def title(self) -> str:
        """Title of the page."""
        return f"{self.card.title.removeprefix('Model card: ')}: {len(self.images):,} images"

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write an HTML page with the card, plots of the evaluation, a map of features, and the audit.

        Parameters
        ----------
        path : path
            File to write; replaced if it exists. All pictures are embedded.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        OSError
            The file cannot be written.
        """
        from transferkit.reporting._page import page_of

        write_text(path, page_of(self), errors="replace")


def report(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    boxes: Any = None,
    checks: Any = None,
    **figures: Any,
) -> ModelReport:
    """Return a report on a model: its card, its evaluation on unseen images, and an audit of these.

    Parameters
    ----------
    model : Classifier, ImageRegressor or KeypointRegressor
        A model fitted on images.
    X : sequence of images
        Unseen images, as for :func:`transferkit.evaluate`; a folder with a sub-folder per class also holds
        the labels.
    y : array-like, optional
        Targets; by default the labels that X holds.
    groups : array-like, shape (n,), optional
        Group of each image. Images of one group are not independent.
    boxes : array-like, shape (n, 4), optional
        Boxes of the subjects, for a KeypointRegressor that was fitted with boxes.
    checks : sequence of str, optional
        Checks of the audit, as for :func:`transferkit.audit`; by default all. An empty sequence skips the
        audit. There are no checks of labels for numbers and keypoints.
    **figures
        ``pos_label``, ``normalizer``, ``limit``, ``confidence`` and ``seed`` of
        :func:`transferkit.evaluate`.

    Returns
    -------
    ModelReport
        ``.card``, ``.evaluation``, ``.audit``, and ``.to_html(path)``.

    Raises
    ------
    InvalidInputError
        The model was not fitted on images, or the data or a parameter cannot be used.
    NotFittedError

    Examples
    --------
    >>> from transferkit import load, report
    >>> report(load("model.safetensors"), "other_photos").to_html("report.html")  # doctest: +SKIP
    """
    if not isinstance(model, ImageEstimator) or model.extractor_ is None:
        raise InvalidInputError(
            f"model must be a fitted estimator of transferkit on images. Got a {type(model).__name__}"
            f"{' on features' if isinstance(model, ImageEstimator) else ''}."
        )
    X, y = labelled_images(X, y)
    where = {} if boxes is None else {"boxes": boxes}
    if model.predictor_.expected_error is not None:
        figures = {"return_error": True, **figures}
    evaluation = evaluate(model, X, y, groups=groups, on_error="skip", **where, **figures)
    features = model.extract(X, on_error="skip", **where)
    rows = np.flatnonzero(features.ok)
    return ModelReport(
        model.card(evaluation=evaluation),
        evaluation,
        _audit(model, X, y, groups, checks, boxes),
        one_vector(features) if len(rows) >= _FEWEST else None,
        [X[row] for row in rows.tolist()],
        _labels(evaluation),
        features.reader,
    )


def _audit(model: Any, X: Any, y: Any, groups: Any, checks: Any, boxes: Any) -> AuditReport | None:
    """Return the audit, with features of the same backbone; images with several boxes count once."""
    if checks is not None and not len(checks):
        return None
    if model.kind != "classes":
        y = None  # whole numbers would be taken for classes
    if boxes is not None:
        X, y, groups = list(dict.fromkeys(X)) if all(map(_is_file, X)) else X, None, None
    taken = {name: getattr(model, name) for name in ("backbone", "weights", "image_size", "extractor")}
    return audit(X, y, groups=groups, checks=checks, **taken)


def _is_file(item: Any) -> bool:
    return isinstance(item, str | os.PathLike)


def _labels(evaluation: Any) -> list[Any] | None:
    """Return values to colour the images by: labels (several joined to one text) or numbers, or else None."""
    if evaluation.kind == "classes":
        labels: list[Any] = evaluation.y_true.tolist()
        return labels
    if evaluation.kind == "labels":
        sets = [evaluation.classes[row.astype(bool)].tolist() for row in evaluation.y_true]
        return [", ".join(sorted(map(str, names))) for names in sets]
    if evaluation.kind == "values" and evaluation.true.shape[1] == 1:
        numbers: list[Any] = evaluation.true[:, 0].tolist()
        return numbers
    return None
