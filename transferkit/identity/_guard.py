"""Detect changes to the code of a registered backbone while it is in use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transferkit.backbones import Backbone, FunctionNetwork, Network, random_features
from transferkit.errors import WeightsError
from transferkit.identity._probe import answer, difference, probe_images


class Guard:
    """A registered backbone with its description, to detect changes.

    Parameters
    ----------
    backbone : Backbone
        The backbone.
    network : Network or None
        Its network, if known.
    facts : mapping
        The result of :func:`describe_backbone`.
    image_size : int
        Side of the probe images in pixels.
    """

    def __init__(
        self, backbone: Backbone, network: Network | None, facts: Mapping[str, str], image_size: int
    ) -> None:
        self._backbone, self._network, self._facts = backbone, network, facts
        self._image_size = image_size
        self._images = probe_images(image_size)
        self._preprocessed = backbone.preprocess(self._images)

    def check_preprocessing(self) -> None:
        """Raise WeightsError if ``preprocess_input`` returns other values than before.

        Called before each computation. A user's function, which cannot be copied, is checked here, too.
        """
        if not np.array_equal(self._backbone.preprocess(self._images), self._preprocessed, equal_nan=True):
            raise self._changed("preprocess_input gives other values")
        if isinstance(self._network, FunctionNetwork):
            self.check_network()

    def check_network(self) -> None:
        """Raise WeightsError if the layers return other values than described.

        Called once an engine has read them. Raises InvalidInputError if the values are random.
        """
        now = answer(self._backbone, self._network, self._image_size)
        if reason := difference(self._facts["probe"], now):
            if difference(now, answer(self._backbone, self._network, self._image_size)):
                raise random_features(self._backbone.name)
            raise self._changed(reason)

    def _changed(self, reason: str) -> WeightsError:
        return WeightsError(
            f"Backbone {self._backbone.name!r} was changed while it was in use: {reason}. "
            "Nothing was stored. Call fit again, or create the extractor or estimator anew.",
            name=self._backbone.name,
        )
