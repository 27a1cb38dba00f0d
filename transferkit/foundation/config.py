"""Configuration of how work is run: for the whole process, or within a block of code.

These settings control how features are computed and where they are kept; they do not change features. The
parameters of an extractor take precedence over :func:`config_context`, and that over :func:`set_config`.

An estimator that is pickled into another process takes the sender's configuration along. Threads started by
other libraries use only the configuration of :func:`set_config`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from transferkit.errors import InvalidInputError, quoted

DEFAULTS = MappingProxyType(
    {
        "engine": "auto",
        "batch_size": 32,
        "memory_limit": None,
        "cache": True,
        "isolate": False,
        "retry_failed": False,
        "progress": True,
    }
)
_process: dict[str, Any] = {}
_block: ContextVar[dict[str, Any]] = ContextVar("transferkit_config", default=MappingProxyType({}))  # type: ignore[arg-type]


def get_config() -> dict[str, Any]:
    """Return the current configuration.

    Returns
    -------
    dict of str to object
        ``engine``, ``batch_size``, ``memory_limit``, ``cache``, ``isolate``, ``retry_failed`` and
        ``progress``; see :class:`FeatureExtractor` for their meaning.

    Examples
    --------
    >>> from transferkit import get_config
    >>> get_config()["batch_size"]
    32
    """
    return {**DEFAULTS, **changed_config()}


def set_config(**settings: Any) -> None:
    """Set the configuration of this process.

    Parameters
    ----------
    **settings
        New values by name; :func:`get_config` returns all names.

    Raises
    ------
    InvalidInputError
        There is no such setting. Values are checked where they are used.

    See Also
    --------
    config_context : Set the configuration within a block of code.

    Examples
    --------
    >>> from transferkit import set_config
    >>> set_config(progress=True)
    """
    _check_names(settings)
    _process.update(settings)


@contextlib.contextmanager
def config_context(**settings: Any) -> Iterator[None]:
    """Set the configuration of this thread within a block of code.

    Parameters
    ----------
    **settings
        As for :func:`set_config`, which also raises the same errors.

    Examples
    --------
    >>> from transferkit import Classifier, config_context
    >>> with config_context(cache="features", progress=False):
    ...     clf = Classifier("vgg16").fit(paths, labels)  # doctest: +SKIP
    """
    _check_names(settings)
    token = _block.set({**_block.get(), **settings})
    try:
        yield
    finally:
        _block.reset(token)


def changed_config() -> dict[str, Any]:
    """Return the settings that were changed."""
    return {**_process, **_block.get()}


class Configured:
    """A mixin for objects that take the sender's configuration along when they are pickled."""

    _sent_config: dict[str, Any]

    def own_config(self) -> dict[str, Any]:
        """Return the configuration for this object."""
        return {**DEFAULTS, **self.__dict__.get("_sent_config", {}), **changed_config()}

    def __sklearn_clone__(self) -> Any:
        """Keep the sender's settings in a clone, as ensembles make them in a worker."""
        parent: Any = super()
        twin = parent.__sklearn_clone__()
        if self.was_sent:
            twin._sent_config = self._sent_config
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Add the settings that the sender has changed, and its process."""
        parent: Any = super()
        state: dict[str, Any] = dict(parent.__getstate__())
        sent = {**state.pop("_sent_config", {}), **changed_config()}
        return {**state, "_sent": (os.getpid(), sent)}

    @property
    def was_sent(self) -> bool:
        """Whether this object was pickled in another process."""
        return "_sent_config" in self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Keep the sender's settings; a copy in the same process follows the configuration there."""
        process, sent = state.pop("_sent", (os.getpid(), {}))
        parent: Any = super()
        parent.__setstate__(state) if hasattr(parent, "__setstate__") else self.__dict__.update(state)
        if process != os.getpid():
            self._sent_config = sent


def _check_names(settings: dict[str, Any]) -> None:
    if unknown := [name for name in settings if name not in DEFAULTS]:
        raise InvalidInputError(
            f"The configuration has no {quoted(unknown, 'or')}. It has {quoted(DEFAULTS)}."
        )
