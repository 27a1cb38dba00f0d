"""The base class of the estimators: an extractor plus a head, with scikit-learn's contract.

A subclass defines the meaning of ``y`` (``_targets``), and what else is learned once its head is trained
(``_finish_task``, ``_look_closer``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones import noted_trained_on
from transferkit.decisions import rebuild_novelty
from transferkit.estimators._copies import (
    Keys,
    content_keys,
    warn_of_known,
    warn_of_tuned,
    warn_of_two_labels,
)
from transferkit.estimators._diagram import diagram
from transferkit.estimators._fitted import AnyFeatures
from transferkit.estimators._fitting import all_or_nothing
from transferkit.estimators._given import Given, check_given
from transferkit.estimators._mirroring import mirroring_hides
from transferkit.estimators._nested import NestedParameters
from transferkit.estimators._novelty import fit_novelty
from transferkit.estimators._plan import PlannedEstimator
from transferkit.estimators._precomputed import PrecomputedFeatures
from transferkit.estimators._records import LayerTrial
from transferkit.estimators._shown import Shown
from transferkit.estimators._splitting import (
    ValidationData,
    as_seed,
    classes_apart,
    copies_together,
    naming_validation_data,
    split_rows,
    warn_of_classes_apart,
)
from transferkit.estimators._targets import Targets
from transferkit.estimators._training_record import TrainingRecord, rebuild_training
from transferkit.estimators._training_set import Rows, TrainingSet
from transferkit.estimators._tuned import Tuned, rebuild_fine_tuning
from transferkit.estimators.predictor import Predictor
from transferkit.extraction import ExtractionReport, Features, is_precomputed
from transferkit.foundation.arguments import check
from transferkit.foundation.scratch import memory_limit
from transferkit.heads import FittedHead, Head, TrainingData, Validation, calibrated
from transferkit.keypoints import check_boxes
from transferkit.tasks import TASKS, Classes, Task, as_weights, check_lengths
from transferkit.views import ORIGINAL, AnyView, View, crops_of


class ImageEstimator(PlannedEstimator, NestedParameters):
    """An extractor plus a head."""

    kinds: ClassVar[frozenset[str]] = frozenset(TASKS)  # kinds of task that a saved model may have
    trained_on_: Keys | None
    _tuned: Tuned | None = None  # set only while fine-tuning fits the heads
    _map_shape: tuple[int, ...] | None = None  # shape of an image's map; only for backbone="precomputed"

    def kind_for(self, y: Any) -> str:
        """Return the kind of task that is learned from such targets."""
        return self.kind

    def _sk_visual_block_(self) -> Any:
        """Return the diagram that scikit-learn draws in a notebook."""
        return diagram(self, fitted=self.__sklearn_is_fitted__())

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: X is an array of features, or images."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = is_precomputed(self.backbone)
        tags.input_tags.string = not is_precomputed(self.backbone)
        return tags

    # What a subclass defines

    def _targets(self) -> Targets:
        """Return the meaning of ``y``."""
        raise NotImplementedError

    def _read_arrays(self, X: Any, y: Any, *, fitting: bool) -> tuple[PrecomputedFeatures, Any]:
        """Return features and targets of ``backbone="precomputed"``, checked as scikit-learn does."""
        return PrecomputedFeatures.of(self, X, fitting=fitting), y

    def _may_drop_mirror(self, task: Task) -> bool:
        """Return whether ``fit`` checks if mirror images make learning impossible."""
        return self.augment == "auto"

    def _finish_task(
        self,
        task: Task,
        head: Head,
        fitted: FittedHead,
        features: AnyFeatures,
        data: TrainingSet,
        sample_weight: NDArray[np.float64],
    ) -> Task:
        """Return the task, completed by what is decided once the head is trained, such as thresholds.

        ``sample_weight`` (n,) are the user's weights of these rows, without class weights.
        """
        return task

    def _look_closer(self, *arguments: Any) -> None:
        """Fit a closer look at the images; by default there is none."""

    # Fit

    @all_or_nothing
    def _fit(
        self,
        X: Any,
        y: Any,
        groups: Any,
        validation_data: Any,
        sample_weight: Any = None,
        boxes: Any = None,
    ) -> Any:
        """Extract features and train the head; with ``boxes`` (n, 4), use only the squares around them."""
        self._map_shape = None  # forget the shape of an earlier fit
        given = check_given(self, X, y, groups, sample_weight, validation_data, boxes)
        shown = self._show(given)
        rows = np.flatnonzero(shown.features.ok & (given.weight > 0))
        task = self._begin_task(given, shown.features, rows)
        validation = given.validation_images(shown.views)  # raises before more images are extracted
        if (plain := self._without_hiding_mirror(given, shown, task, rows)) is not shown:
            shown = plain
            validation = None if validation is None else validation._replace(views=plain.views)
        data = self._training_set(given, shown, task, rows, validation)
        with memory_limit(self._run_settings()["memory_limit"]):
            self._learn(given, shown, task, data, validation)
        return self

    def _show(self, given: Given) -> Shown:
        """Extract the views of the training images."""
        views = self._views(given.head, given.targets) if self._tuned is None else self._tuned.views
        if given.frames is not None:
            return Shown.of(given, views, crops_of(views, given.frames), ((), given.targets))
        return Shown.of(given, views, views, self._extra_views(given.head, given.targets, views))

    def _begin_task(self, given: Given, features: Any, rows: Rows) -> Any:
        """Return the task, and note which images are learned from."""
        task: Any = given.meaning.make_task(given.y, given.targets, features, rows)
        self.trained_on_ = (
            None if given.extractor is None else self._known_images(given.extractor, features, rows)
        )
        if given.extractor is not None and isinstance(task, Classes):
            warn_of_two_labels(content_keys(features.digests, rows), given.targets[rows], given.items, rows)
        if given.frames is None:
            return task
        check_boxes(given.frames[rows], features.sizes(rows), rows, given.targets[rows])
        return replace(task, boxed=True)  # predictions need boxes, too

    def _without_hiding_mirror(self, given: Given, shown: Shown, task: Any, rows: Rows) -> Shown:
        """Show the images without their mirror images if these hide what is to be learned."""
        may_drop = self._tuned is None and self._may_drop_mirror(task)
        if given.extractor is None or shown.report is None or not may_drop:
            return shown
        targets, weight = task.encode(given.targets[rows]), given.weights(rows)
        without_maps = TrainingData([], targets, task, weight, given.groups[rows])
        with memory_limit(self._run_settings()["memory_limit"]):
            hides = mirroring_hides(
                given.extractor, given.items, shown.features, without_maps, rows, shown.report
            )
        return shown.with_views(given, (ORIGINAL,)) if hides else shown

    def _training_set(
        self, given: Given, shown: Shown, task: Any, rows: Rows, validation: ValidationData | None
    ) -> TrainingSet:
        """Return rows, targets and weights to train on."""
        views = [(view, given.targets) for view in shown.subject_views]
        views += [(view, shown.extra_targets) for view in shown.extra_views]
        encode, features = given.meaning.encode, shown.features
        return TrainingSet(
            rows,
            [
                encode(task, targets[rows], features, rows, view.of(rows), given.extractor)
                for view, targets in views
            ],
            given.groups[rows],
            given.weights(rows),
            None
            if validation is None
            else self._encode_validation(validation, task, given.head, given.extractor),
            shown.subject_views,
            shown.extra_views,
        )

    def _learn(
        self, given: Given, shown: Shown, task: Any, data: TrainingSet, validation: ValidationData | None
    ) -> None:
        """Train the head, then decide on held-out rows, and look closer."""
        head, features, rows = given.head, shown.features, data.rows
        row_targets, row_weight = given.targets[rows], given.weight[rows]
        # Copies of an image must not be separated by the split.
        merged_groups = copies_together(features, rows, data.groups)
        if not head.uses_validation:
            merged_groups, split_classes = classes_apart(
                features.digests, rows, merged_groups, task, data.targets[0]
            )
            warn_of_classes_apart(split_classes)
        grouped = replace(data, groups=merged_groups)
        fitted, held = self._train(head, task, features, grouped)
        # Decisions are based on held-out predictions of all rows; but a fine-tuned backbone has learned
        # from all rows that were not held out.
        decision_rows = np.arange(len(rows)) if self._tuned is None else held
        decision_data, decision_weight = data.take(decision_rows), row_weight[decision_rows]
        task = self._finish_task(task, head, fitted, features, decision_data, decision_weight)
        self.report_: ExtractionReport | None = shown.report
        self._adopt(head, fitted, self._make_predictor(given.extractor, shown.views, head, fitted, task))
        record = TrainingRecord.of(
            task,
            row_targets,
            row_weight,
            data.groups if given.has_groups else None,
            n_unweighted=int(features.ok.sum()) - len(rows),
            failures=() if shown.report is None else shown.report.failures,
            n_validation=None if validation is None else len(validation.X),
            n_held_out=len(held),
        )
        tuning = None if self._tuned is None else self._tuned.record
        self.predictor_ = replace(self.predictor_, training=record, fine_tuning=tuning)
        held_decision_rows = np.flatnonzero(np.isin(decision_rows, held))
        self._remember(features, decision_data, decision_weight, held_decision_rows)
        self._look_closer(given.items, features, row_targets, grouped, held, validation)

    def _extra_views(
        self, head: Head, targets: NDArray[Any], views: tuple[View, ...]
    ) -> tuple[tuple[AnyView, ...], NDArray[Any]]:
        """Return additional views of all images for training only, and their targets."""
        return (), targets

    def _known_images(self, extractor: Any, features: AnyFeatures, rows: Rows) -> Keys:
        """Return the images that this model has seen: in training, or when its weights were fine-tuned."""
        keys = content_keys(features.digests, rows)
        noted = noted_trained_on(extractor.settings().weights.path)
        if self._tuned is None:
            warn_of_tuned(noted, keys)
        return np.union1d(keys, noted) if len(noted) else keys

    def _train(
        self, head: Head, task: Task, features: AnyFeatures, data: TrainingSet
    ) -> tuple[FittedHead, Rows]:
        """Split the rows, stack the views, and train the head; also return the held-out rows.

        A head that was trained together with the backbone is calibrated on the rows that neither has seen.
        """
        seed, meaning = as_seed(self.random_state), self._targets()
        rows, validation, views = data.rows, data.validation, (*data.views, *data.extra_views)
        # The user's validation data are used only for early stopping and the history.
        calibrate = None if validation is not None and head.uses_validation else meaning.calibrate
        groups = data.groups
        train, held = np.arange(len(rows)), np.arange(0)
        if self._tuned is not None:
            train, held = self._tuned.split(rows)
        elif validation is None and head.uses_validation:
            fraction = getattr(head, "validation_fraction", 0.0)
            train, held = split_rows(task, data.targets[0], groups, fraction, seed)
        if len(held):
            maps = features.maps(rows[held], half=head.half)
            validation = Validation(maps, data.targets[0][held], data.weight[held])
        if self._tuned is not None:
            assert validation is not None
            return calibrated(self._tuned.head, task, validation, meaning.calibrate), held
        fitted = head.fit(
            TrainingData(
                _training_maps(features, rows[train], views, head),
                np.concatenate([targets[train] for targets in data.targets]),
                task,
                np.tile(data.weight[train], len(views)),
                np.tile(groups[train], len(views)),
                validation,
                seed,
                self._run_settings()["progress"],
                meaning.label_weight(task, data.targets[0][train], data.weight[train]),
                calibrate,
            )
        )
        return fitted, held

    def _encode_validation(
        self, validation: ValidationData, task: Task, head: Head, extractor: Any
    ) -> Validation:
        """Return features, targets and weights of the user's validation data."""
        X, y, name = validation.X, validation.y, "y of validation_data"
        meaning = self._targets()
        problems: list[str] = []
        if extractor is None:
            with naming_validation_data():
                features, y = self._read_arrays(X, y, fitting=False)
        targets = meaning.read_validation(y, task, name)
        n_images = len(X) if extractor is not None else len(features.ok)
        check_lengths(n_images, targets, problems, name, meaning.unit)
        weight = as_weights(validation.sample_weight, n_images, problems, "sample_weight of validation_data")
        check(problems)
        if extractor is not None:
            features = extractor.extract(X, views=validation.views, on_error=extractor.on_error or "skip")
        rows = np.flatnonzero(features.ok & (weight > 0))
        meaning.check_validation(targets, features, rows, name)
        if extractor is not None:
            keys = content_keys(features.digests, rows)
            warn_of_known("validation_data", self.trained_on_, keys, X, rows)
        with memory_limit(self._run_settings()["memory_limit"]):
            maps = features.maps(rows, half=head.half)
        view = ORIGINAL if extractor is None else validation.views[0].of(rows)
        encoded = meaning.encode(task, targets[rows], features, rows, view, extractor)
        return Validation(maps, encoded, None if validation.sample_weight is None else weight[rows])

    def _adopt(self, head: Head, fitted: FittedHead, predictor: Predictor) -> None:
        """Store the result of training."""
        self.head_ = head
        self.history_ = [_named(row, predictor.extractor) for row in fitted.history]
        self._layer_selection = [LayerTrial.of(row) for row in self.history_ if "chosen" in row]
        self.predictor_ = predictor

    def _remember(
        self, features: AnyFeatures, data: TrainingSet, weight: NDArray[np.float64], held: Rows
    ) -> None:
        """Store what later decisions need: how different the training images are from each other.

        ``weight`` (n,) are the user's weights; ``held`` are rows that the head was not trained on.
        """
        novelty = fit_novelty(features, data, as_seed(self.random_state))
        self.predictor_ = replace(self.predictor_, novelty=novelty)

    # Saving: the interface for persistence

    _tables: ClassVar[tuple[str, ...]] = ("layer_selection",)

    def _make_predictor(
        self, extractor: Any, views: tuple[View, ...], head: Head, fitted: FittedHead, task: Task
    ) -> Predictor:
        return Predictor(extractor, views, fitted, task, head.half)

    def _records(self) -> dict[str, list[dict[str, Any]]]:
        """Return tables of what was tried, for information."""
        return {"layer_selection": [trial.record() for trial in self._layer_selection]}

    def _restore(self, head: Head, predictor: Predictor, records: dict[str, list[dict[str, Any]]]) -> None:
        """Restore a saved model."""
        self.report_ = self.trained_on_ = None
        self._adopt(head, predictor.head, predictor)
        self._layer_selection = [LayerTrial.of(row) for row in records["layer_selection"]]

    def _rebuild_extra(self, name: str, arrays: Any, facts: Any, predictor: Predictor) -> Any:
        """Return an optional field of the predictor; raise ValueError if it is invalid."""
        if name == "novelty":
            return rebuild_novelty(arrays, facts)
        if name == "training":
            return rebuild_training(arrays, facts, predictor.task)
        if name == "fine_tuning":
            return rebuild_fine_tuning(arrays, facts)
        raise ValueError(f"{type(self).__name__} has no {name}")

    def _rebuild_refinements(self, saved: Sequence[Any], task: Task, weights: str | None) -> tuple[Any, ...]:
        """Return closer looks from pairs of arrays and facts; raise ValueError if there cannot be any.

        ``weights`` is the weights file for closer looks, if they have their own.
        """
        if len(saved):
            raise ValueError(f"{type(self).__name__} has no refinements")
        return ()


def _training_maps(features: AnyFeatures, rows: Rows, views: Sequence[AnyView], head: Head) -> list[Any]:
    """Return the maps of training rows, which stay in the cache if the head reads only a few at a time."""
    if getattr(head, "streams", False) and isinstance(features, Features):
        return features.stored_maps(rows, views)
    return features.maps(rows, views, half=head.half)


def _named(row: dict[str, Any], extractor: Any) -> dict[str, Any]:
    """Return a row of the history with names of layers instead of positions."""
    if "layers" not in row or extractor is None:
        return row
    return row | {"layers": "+".join(extractor.layers_[i] for i in row["layers"])}
