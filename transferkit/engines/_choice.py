"""Choose the engine before the cache is read; afterwards only this engine runs."""

from __future__ import annotations

from collections.abc import Callable

from transferkit.engines._engine import Engine
from transferkit.engines._verdicts import Verdicts
from transferkit.errors import EngineError


class EngineChoice:
    """The engine for one network, or its fallback.

    Features are stored under the name of the engine that computed them. So the choice is made once, before
    the cache is read; if the chosen engine cannot be built afterwards, that is an error.

    Parameters
    ----------
    name : str
        Preferred engine.
    fallback : str or None
        Engine used if the preferred one cannot run the network; None raises the error instead.
    layers : tuple of str
        The layers to compute.
    verdicts : Verdicts
        Results of earlier comparisons of this network.
    build : callable
        Maps a name to an engine; raises EngineError if it cannot run this network.
    """

    def __init__(
        self,
        name: str,
        fallback: str | None,
        layers: tuple[str, ...],
        verdicts: Verdicts,
        build: Callable[[str], Engine],
    ) -> None:
        self._name, self._fallback = name, fallback
        self._layers = layers
        self._verdicts = verdicts
        self._build = build
        self._settled = name if fallback is None else ""
        self._engine: Engine | None = None

    def likely(self) -> str:
        """Return the name that is final or most likely, without building an engine."""
        if self._settled:
            return self._settled
        assert self._fallback is not None
        return self._fallback if self._verdicts.find(self._layers) else self._name

    def settle(self) -> str:
        """Return the final name; if there is no verdict yet, build the preferred engine and compare it."""
        if self._settled:
            return self._settled
        reason = self._verdicts.find(self._layers)
        if reason is None:
            reason = self._try()
        self._verdicts.add(self._layers, reason)  # also written to the file, for other processes
        if reason:
            self._verdicts.tell(reason, str(self._fallback))
        self._settled = self._fallback if reason and self._fallback else self._name
        return self._settled

    def _try(self) -> str:
        """Build the preferred engine; return the reason if it cannot run, else ""."""
        try:
            self._engine = self._build(self._name)
        except EngineError as error:
            return str(error)
        return ""

    def engine(self) -> Engine:
        """Return the engine, built on first use, because it is not needed if all features are cached."""
        name = self.settle()
        if self._engine is None:
            try:
                self._engine = self._build(name)
            except EngineError as error:
                # It passed before, so features are already looked up under its name.
                if self._fallback is not None:
                    self._verdicts.add(self._layers, str(error))
                raise
        return self._engine
