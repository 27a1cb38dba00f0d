"""Every error that transferkit raises on purpose.

Each one is also a builtin error, so code that knows nothing of transferkit can
catch it, and each carries its culprit as an attribute::

    TransferKitError
    ├── InvalidInputError (ValueError)        an argument or the data; .problems
    │   ├── UnknownBackboneError              .name, .suggestions
    │   └── BadImageError                     .path, .category, .reason, .hint, .index
    ├── NotFittedError (ValueError, AttributeError)
    ├── BackboneCheckError (RuntimeError)     .name, .failures
    ├── EngineError (RuntimeError)            .name
    ├── IsolationError (RuntimeError)
    ├── WeightsError (OSError)                .name, .path
    ├── CacheError (OSError)                  .path
    ├── ModelFileError (ValueError)           .path
    └── MissingDependencyError (ImportError)  .name

A message says what was expected, what was received and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

__all__ = [
    "BackboneCheckError",
    "BadImageError",
    "CacheError",
    "EngineError",
    "InvalidInputError",
    "IsolationError",
    "MissingDependencyError",
    "ModelFileError",
    "NotFittedError",
    "TransferKitError",
    "UnknownBackboneError",
    "WeightsError",
]

_Checked = TypeVar("_Checked")


class TransferKitError(Exception):
    """Base of all errors of this library."""


class InvalidInputError(TransferKitError, ValueError):
    """An argument or the data cannot be used.

    Attributes
    ----------
    problems : tuple of str
        Every problem found, one sentence each; one entry for a single problem.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        if len(problems) > 1:
            lines = "\n".join(f"  {i}. {text}" for i, text in enumerate(problems, 1))
            super().__init__(f"{len(problems)} problems:\n{lines}")
        else:
            super().__init__(*problems)


class UnknownBackboneError(InvalidInputError):
    """No backbone is registered under this name.

    Attributes
    ----------
    name : str
    suggestions : tuple of str
        Registered names that look alike, the most similar first.
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.suggestions = tuple(difflib.get_close_matches(name.lower(), known, n=3))
        guess = f" Did you mean {quoted(self.suggestions, 'or')}?" if self.suggestions else ""
        super().__init__(
            f"Unknown backbone {name!r}.{guess} Call transferkit.list_backbones() for all "
            f"{len(known)}, or register_backbone() to add one."
        )


class BadImageError(InvalidInputError):
    """One image cannot be read as a picture.

    Attributes
    ----------
    path : str
        The file, or a description such as ``"array of shape (3, 0, 2)"``.
    category : str
        One word to count by, such as ``"not_found"``, ``"truncated"`` or ``"too_large"``.
    reason, hint : str
        What is wrong, and what to do about it.
    index : int or None
        Position among the images that were passed, filled in by the extractor.
    """

    def __init__(
        self, path: object, category: str, reason: str, hint: str = "", index: int | None = None
    ) -> None:
        self.path = str(path)
        self.category = category
        self.reason = reason
        self.hint = hint
        self.index = index
        where = "" if index is None else f"Image {index}: "
        super().__init__(f"{where}{self.path}: {reason}{' ' + hint if hint else ''}")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the parts: the message alone would not do across processes."""
        return type(self), (self.path, self.category, self.reason, self.hint, self.index)


class NotFittedError(TransferKitError, ValueError, AttributeError):
    """The estimator was asked to predict before ``fit``."""


class BackboneCheckError(TransferKitError, RuntimeError):
    """A backbone does not give right features.

    Attributes
    ----------
    name : str
    failures : tuple of str
        One sentence for each check that failed.
    """

    def __init__(self, name: str, failures: Sequence[str]) -> None:
        self.name = name
        self.failures = tuple(failures)
        lines = "\n".join(f"  - {text}" for text in failures)
        super().__init__(f"Backbone {name!r} failed {len(failures)} check(s):\n{lines}")


class EngineError(TransferKitError, RuntimeError):
    """An engine cannot run this backbone, or not on this machine.

    Attributes
    ----------
    name : str
        Engine.
    """

    def __init__(self, message: str, *, name: str) -> None:
        self.name = name
        super().__init__(message)


class IsolationError(TransferKitError, RuntimeError):
    """The helper processes of ``isolate=True`` cannot be started on this machine."""


class WeightsError(TransferKitError, OSError):
    """Pretrained weights are missing, damaged or not the expected ones.

    Attributes
    ----------
    name : str
        Backbone.
    path : str or None
        The file looked for.
    """

    def __init__(self, message: str, *, name: str, path: str | None = None) -> None:
        self.name = name
        self.path = path
        super().__init__(message)


class CacheError(TransferKitError, OSError):
    """The cache cannot be opened, read or written.

    Attributes
    ----------
    path : str
    """

    def __init__(self, message: str, *, path: object) -> None:
        self.path = str(path)
        super().__init__(message)


class ModelFileError(TransferKitError, ValueError):
    """A saved model is damaged, foreign, or newer than this library.

    Attributes
    ----------
    path : str
    """

    def __init__(self, message: str, *, path: object) -> None:
        self.path = str(path)
        super().__init__(f"{path}: {message}")


class MissingDependencyError(TransferKitError, ImportError):
    """An optional package is not installed; ``name`` is the package."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f'{purpose} needs {package}, which is not installed. Run: pip install "transferkit[{extra}]"',
            name=package,
        )


def gather(problems: list[str], check: Callable[[], _Checked]) -> _Checked | None:
    """Return what a check returns; add what it complains about to the problems, and return None.

    An unknown backbone is raised at once: nothing else can be checked without it.
    """
    try:
        return check()
    except UnknownBackboneError:
        raise
    except InvalidInputError as error:
        problems += error.problems
        return None


def quoted(words: Iterable[object], conjunction: str = "and") -> str:
    """Return ``'a', 'b' and 'c'`` for a message."""
    items = [repr(word) for word in words]
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"
