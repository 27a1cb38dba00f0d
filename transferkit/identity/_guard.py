"""Notice that the code of a registered backbone changes while it is in use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transferkit.backbones import Backbone, FunctionNetwork, Network, random_features
from transferkit.errors import WeightsError
from transferkit.identity._probe import answer, difference, probe_images


class Guard:
    """A registered backbone, as it was described.

    Parameters
    ----------
    backbone : Backbone
    network : Network or None
    facts : mapping
        As :func:`describe_backbone` returned them.
    image_size : int
    """

    def __init__(
        self, backbone: Backbone, network: Network | None, facts: Mapping[str, str], image_size: int
    ) -> None:
        self._backbone, self._network, self._facts = backbone, network, facts
        self._image_size = image_size
        self._images = probe_images(image_size)
        self._preprocessed = backbone.preprocess(self._images)

    def check_preprocessing(self) -> None:
        """Raise WeightsError if ``preprocess_input`` gives other values: asked before each computation.

        So is a function of a person, of which no copy can be taken.
        """
        if not np.array_equal(self._backbone.preprocess(self._images), self._preprocessed, equal_nan=True):
            raise self._changed("preprocess_input gives other values")
        if isinstance(self._network, FunctionNetwork):
            self.check_network()

    def check_network(self) -> None:
        """Raise WeightsError if the layers give other values: asked once an engine has read them.

        If they do so each time, it is an InvalidInputError.
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
