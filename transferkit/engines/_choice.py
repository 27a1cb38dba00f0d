"""Which engine runs: a name, known before the cache is asked, and the engine of that name and no other."""

from __future__ import annotations

from collections.abc import Callable

from transferkit.engines._engine import Engine
from transferkit.engines._verdicts import Verdicts
from transferkit.errors import EngineError


class EngineChoice:
    """The engine of one network.

    Features are stored under the name of what computed them. So the choice is made once, before the first
    look into the cache, and what is built afterwards has this name or is an error.

    Parameters
    ----------
    name : str
        What runs, if it can.
    fallback : str or None
        What runs otherwise; None: nothing else will do.
    layers : tuple of str
    verdicts : Verdicts
    build : callable
        From a name to an engine; raises EngineError where it cannot run this network.
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
        """Return the name as far as it is known; builds nothing."""
        if self._settled:
            return self._settled
        assert self._fallback is not None
        return self._fallback if self._verdicts.find(self._layers) else self._name

    def settle(self) -> str:
        """Return the name for good; where nobody knows yet, the engine is built and proven now."""
        if self._settled:
            return self._settled
        reason = self._verdicts.find(self._layers)
        if reason is None:
            reason = self._prove()
        self._verdicts.add(self._layers, reason)  # what one process knows, the next one finds in the file
        if reason:
            self._verdicts.tell(reason)
        self._settled = self._fallback if reason and self._fallback else self._name
        return self._settled

    def _prove(self) -> str:
        """Build the engine; return why it cannot run, or nothing."""
        try:
            self._engine = self._build(self._name)
        except EngineError as error:
            return str(error)
        return ""

    def engine(self) -> Engine:
        """Return the engine, built on first use: a warm run never needs it."""
        name = self.settle()
        if self._engine is None:
            try:
                self._engine = self._build(name)
            except EngineError as error:
                # It passed before, so features are looked for under its name: too late for another one.
                if self._fallback is not None:
                    self._verdicts.add(self._layers, str(error))
                raise
        return self._engine
