"""Make an extractor from the parameters of an estimator and from those of its ``extractor``."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, clone

from transferkit.errors import InvalidInputError
from transferkit.extraction import FeatureExtractor, resolve
from transferkit.foundation.arguments import check
from transferkit.foundation.config import Configured

_OWN = ("backbone", "weights", "image_size", "layers", "grid")  # parameters of the estimator itself
_EXTRACTOR = "extractor__"


class ExtractorOwner(Configured, BaseEstimator):
    """The half of an estimator that makes its extractor."""

    extractor: Any

    def set_params(self, **params: Any) -> ExtractorOwner:
        """Set parameters, also nested ones such as ``extractor__precision="bfloat16"``.

        Parameters
        ----------
        **params
            New values by name.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            There is no such parameter.
        """
        nested = any(name.startswith(_EXTRACTOR) for name in params)
        if nested and params.get("extractor", self.extractor) is None:
            params = {**params, "extractor": FeatureExtractor()}
        super().set_params(**params)
        return self

    def _run_settings(self) -> dict[str, Any]:
        """Return the parameters of the extractor, resolved against the configuration."""
        template = FeatureExtractor() if self.extractor is None else self.extractor
        if not isinstance(template, FeatureExtractor):
            raise InvalidInputError(f"extractor must be a FeatureExtractor, or None. Got {self.extractor!r}.")
        return resolve(template.own_parameters(), self.own_config())

    def _make_image_extractor(self, taps: Any, weights: str | None = None) -> FeatureExtractor:
        """Return a checked extractor that keeps its engine even if the configuration changes.

        ``weights`` is a file that replaces the estimator's weights, for a fine-tuned closer look.
        """
        settings = self._run_settings()
        extractor = FeatureExtractor() if self.extractor is None else clone(self.extractor)
        self._check_own(extractor)
        own = {name: getattr(self, name) for name in ("backbone", "weights", "image_size")}
        own |= {} if weights is None else {"weights": weights}
        grid = "full" if taps.grid is None else taps.grid
        extractor.set_params(**own, layers=taps.layers, grid=grid, engine=settings["engine"])
        if "_sent_config" in self.__dict__:
            extractor._sent_config = self._sent_config
        extractor.fit().settle_ranges(self.__dict__.get("_array_ranges", {}))
        return extractor

    def _check_own(self, extractor: FeatureExtractor) -> None:
        """Raise if parameters set both in the extractor and in the estimator contradict each other."""
        defaults = FeatureExtractor()
        wrong = []
        for name in _OWN:
            value = getattr(extractor, name)
            if repr(value) not in (repr(getattr(defaults, name)), repr(getattr(self, name))):
                wrong.append(
                    f"{name} is set on the estimator, not in its extractor. Got {name}={value!r} in the "
                    f"extractor: pass {type(self).__name__}({name}={value!r}, extractor=...)."
                )
        check(wrong)
