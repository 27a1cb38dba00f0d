"""What the estimators share: parameters, extraction, splitting, saving."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from transferkit import images
from transferkit.backbones import get_backbone
from transferkit.errors import InvalidInputError, NotFittedError, gather
from transferkit.estimators._diagram import diagram
from transferkit.estimators._head_parameters import HeadParameters
from transferkit.estimators._parameters import as_seed, extractor_grid, parameter_problems
from transferkit.estimators._precomputed import PrecomputedFeatures, is_precomputed
from transferkit.extraction import ExtractionReport, FeatureExtractor, Features
from transferkit.foundation.arguments import check, choice
from transferkit.foundation.scratch import memory_limit
from transferkit.heads import FittedHead, Head, KeypointMapHead, TrainingData, get_head
from transferkit.tasks._groups import copies_together, hold_out
from transferkit.views import AUGMENTATIONS, MEANS, ORIGINAL, View

DEFAULT_GRID = 4  # for layers of the user's choice, where the row has one number for each of its own
AnyFeatures = Features | PrecomputedFeatures

_SHARED_WITH_EXTRACTOR = (
    "backbone", "weights", "image_size", "resize", "engine", "precision", "batch_size", "cache",
    "value_range", "on_error", "isolate", "retry_failed", "progress",
)  # fmt: skip


class _NotFittedError(NotFittedError, SklearnNotFittedError):
    """The same error to users of transferkit and of scikit-learn."""


_NotFittedError.__name__ = _NotFittedError.__qualname__ = "NotFittedError"
_NotFittedError.__module__ = "transferkit.errors"


class ImageEstimator(HeadParameters):
    """An extractor plus a head."""

    def fit(self, X: Any, y: Any, *, groups: Any = None, validation_data: Any = None) -> Any:
        """Extract features and train the head."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file, replacing it in one step.

        Parameters
        ----------
        path : path
            By custom with the suffix ``.safetensors``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        FileNotFoundError
            The folder of the path does not exist.
        InvalidInputError
            The model is not finite: its training diverged.

        See Also
        --------
        transferkit.load : Read it back.
        """
        from transferkit.persistence._document import save_estimator

        self._check_fitted()
        save_estimator(self, path)

    def extract(self, X: Any, *, on_error: str = "raise") -> Features:
        """Return the features that this model predicts from; what is cached is not computed again.

        Parameters
        ----------
        X : image or sequence of images
        on_error : {"raise", "skip"}, default="raise"
            With "skip", ``.ok`` and ``.report`` of the result say which images could not be read.

        Returns
        -------
        Features
            Maps are read from the cache when asked for.

        Raises
        ------
        NotFittedError, BadImageError
        """
        self._check_fitted()
        if self.extractor_ is None:
            raise InvalidInputError("backbone='precomputed' has no images: X holds the features already.")
        return self.extractor_.extract(X, views=self.views_, on_error=on_error)

    def plan_extraction(self, y: Any) -> tuple[FeatureExtractor, tuple[View, ...]] | None:
        """Return the extractor and the views with which ``fit`` will look at whole pictures.

        None for ``backbone="precomputed"``. Nothing is learned, and the estimator stays as it is; whoever
        extracts with them has ``fit`` on as many images find everything in the cache.

        Parameters
        ----------
        y : array-like
            Targets, as for ``fit``.

        Raises
        ------
        InvalidInputError
            A parameter cannot be used.
        WeightsError, MissingDependencyError
        """
        head = self._head(len(y))
        extractor = self._make_extractor(head)
        return None if extractor is None else (extractor, self._views(head))

    def _check_fitted(self) -> None:
        if "fitted_head_" not in self.__dict__:
            raise _NotFittedError(
                f"This {type(self).__name__} is not fitted yet. Call fit(images, targets) first, "
                "or transferkit.load(path) for a saved model."
            )

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether there is a model."""
        return "fitted_head_" in self.__dict__

    def _sk_visual_block_(self) -> Any:
        """Tell scikit-learn what to draw in a notebook."""
        return diagram(self, fitted=self.__sklearn_is_fitted__())

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what goes in."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = is_precomputed(self.backbone)
        tags.input_tags.string = not is_precomputed(self.backbone)
        return tags

    def _head(self, n_images: int | None = None) -> Head:
        """Return the head to train on so many images."""
        head = get_head(self.head)
        if isinstance(head, KeypointMapHead):
            raise InvalidInputError(
                f"head={self.head!r} finds points, no classes. Choose 'auto', 'linear', 'mlp' or 'conv'."
            )
        return head

    def _views(self, head: Head | None) -> tuple[View, ...]:
        """Return the views that ``augment`` stands for, with this head."""
        check(choice("augment", self.augment, AUGMENTATIONS, or_none=True))
        if self.augment is None or is_precomputed(self.backbone):
            return (ORIGINAL,)
        means = head is not None and head.averages_views
        return (MEANS[self.augment],) if means else AUGMENTATIONS[self.augment]

    def _make_extractor(self, head: Head) -> FeatureExtractor | None:
        """Return a checked extractor; layers and grid are the head's choice where they are None."""
        if is_precomputed(self.backbone):
            return None
        values = {name: getattr(self, name) for name in _SHARED_WITH_EXTRACTOR}
        layers, grid = self._layers_and_grid(head)
        return FeatureExtractor(**values, layers=layers, grid=grid).fit()

    def _layers_and_grid(self, head: Head) -> tuple[Any, Any]:
        """Return what to tap and how finely to average it."""
        layers = head.layers if self.layers is None else self.layers
        if self.grid is not None or not head.pools:
            return layers, extractor_grid(self.grid)
        row = get_backbone(self.backbone)
        one_for_each = isinstance(row.grid, tuple) and layers != "auto"
        return layers, self._default_grid(DEFAULT_GRID if one_for_each else row.grid, row.layers, layers)

    def _default_grid(self, grid: Any, recommended: Sequence[str], layers: Any) -> Any:
        """Return the grid to use for a backbone whose row recommends one for classes, and layers."""
        return grid

    def _named(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of the history with names of layers for their positions."""
        if "layers" not in row or self.extractor_ is None:
            return row
        return row | {"layers": "+".join(self.extractor_.layers_[i] for i in row["layers"])}

    def _extract(self, X: Any, *, fitting: bool) -> AnyFeatures:
        """Return the features of X; on predicting, every image must be readable."""
        if self.extractor_ is None:
            return PrecomputedFeatures.of(self, X, fitting=fitting)
        return self.extractor_.extract(X, views=self.views_, on_error=self.on_error if fitting else "raise")

    def _start(self, X: Any, problems: list[str]) -> Any:
        """Check the parameters and X of ``fit``; return X as a list, or as it is for arrays of features."""
        problems += parameter_problems(self)
        n_images = len(X) if hasattr(X, "__len__") else None
        head = gather(problems, lambda: self._head(n_images))
        views = gather(problems, lambda: self._views(head)) or (ORIGINAL,)
        extractor = gather(problems, lambda: self._make_extractor(head or get_head("linear")))
        if head is None or (extractor is None and problems):
            raise InvalidInputError(*problems)
        if extractor is None:
            return X, None, views, head
        if isinstance(X, str | os.PathLike | bytes):
            problems.append(
                f"fit expects a list of images. Got one {type(X).__name__}: {str(X)[:80]!r}. "
                "For a folder, use paths, labels = transferkit.datasets.read_image_folder(folder)."
            )
            return [], extractor, views, head
        return images.as_image_list(X), extractor, views, head

    def _adopt(self, extractor: FeatureExtractor | None, views: tuple[View, ...]) -> None:
        """Keep what predict must use again, whatever becomes of the parameters."""
        self.extractor_ = extractor
        self.views_ = views

    def _train(
        self,
        head: Head,
        features: AnyFeatures,
        rows: NDArray[np.int64],
        targets_by_view: Sequence[NDArray[Any]],
        groups: NDArray[np.int64],
        weight: NDArray[np.float64],
        n_classes: int | None,
        validation: tuple[list[NDArray[np.float32]], NDArray[Any]] | None,
    ) -> NDArray[np.int64]:
        """Split, stack the views, and train the head; return which rows were held out of it."""
        seed = as_seed(self.random_state)
        groups = copies_together(features, rows, groups)
        train, held = np.arange(len(rows)), np.arange(0)
        if validation is None and head.uses_validation and self.validation_fraction > 0:
            labels = targets_by_view[0] if n_classes is not None else None
            train, held = hold_out(len(rows), labels, groups, self.validation_fraction, seed)
            if not np.isfinite(targets_by_view[0][train]).any(axis=0).all():  # a point marked nowhere else
                train, held = np.arange(len(rows)), np.arange(0)
        with memory_limit(self.memory_limit):
            if len(held):
                validation = features.maps(rows[held], half=head.half), targets_by_view[0][held]
            n_copies = len(self.views_)
            data = TrainingData(
                features.maps(rows[train], self.views_, half=head.half),
                np.concatenate([targets[train] for targets in targets_by_view]),
                n_classes,
                np.tile(weight[train], n_copies),
                np.tile(groups[train], n_copies),
                validation,
                seed,
                self.progress,
            )
            self.fitted_head_: FittedHead = head.fit(data)
        self.head_ = head
        self.history_ = [self._named(row) for row in self.fitted_head_.history]
        self.selection_ = [row for row in self.history_ if "chosen" in row]
        self.report_: ExtractionReport | None = features.report
        return held


def check_lengths(n_images: int, y: Any, problems: list[str], name: str = "y", unit: str = "label") -> None:
    """Say when images and targets do not pair up."""
    n = len(y)
    if n != n_images and not (n == 0 and problems):  # what is no y at all was said to be none
        problems.append(f"{name} has {n} rows but X has {n_images} images. Each image needs one {unit}.")
