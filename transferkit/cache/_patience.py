"""Continue without a database that cannot be used now, because the cache is only an optimisation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from transferkit.cache._database import Database, UnavailableError
from transferkit.cache._folder import warn_once
from transferkit.errors import CacheError

REST_SECONDS = 60
Result = TypeVar("Result")


class Patience:
    """A circuit breaker for reads from, or writes to, one database.

    It takes half a minute to find out that another process holds a lock. So after an error, the database is
    not used for a minute.

    Parameters
    ----------
    database : Database
        The database. Its lock is held during an attempt, so that two threads do not wait one after another.
    refusal : type of CacheError, default=UnavailableError
        Type of error to tolerate; for storing computed features, all cache errors.
    """

    def __init__(self, database: Database, refusal: type[CacheError] = UnavailableError) -> None:
        self._database, self._refusal = database, refusal
        self._until = 0.0

    def attempt(self, action: Callable[[], Result], otherwise: Result) -> Result:
        """Return the result of an action, or ``otherwise`` if the database cannot be used now."""
        with self._database.lock:
            if time.monotonic() < self._until:
                return otherwise
            try:
                return action()
            except self._refusal as error:
                self._until = time.monotonic() + REST_SECONDS
                warn_once(
                    self._database.path,
                    "unavailable",
                    f"{error} Meanwhile, what is computed is kept in memory.",
                )
                return otherwise
