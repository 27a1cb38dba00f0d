"""Exceptions raised by transferkit.

Each also derives from a builtin exception, and names the offending object in its attributes::

    TransferKitError
    ├── InvalidInputError (ValueError)        an argument or the data; .problems
    │   ├── UnknownBackboneError              .name, .suggestions
    │   └── BadImageError                     .path, .category, .reason, .hint, .index
    ├── NotFittedError (ValueError, AttributeError)
    ├── BackboneCheckError (RuntimeError)     .name, .failures
    ├── EngineError (RuntimeError)            .name
    ├── ExportError (RuntimeError)
    ├── IsolationError (RuntimeError)
    ├── WeightsError (OSError)                .name, .path
    ├── CacheError (OSError)                  .path
    ├── ModelFileError (ValueError)           .path
    └── MissingDependencyError (ImportError)  .name

Messages say what was expected, what was received and what to do.
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
    "ExportError",
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
    """Base class of all transferkit exceptions."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the error, since workers send their errors to the caller."""
        return _restored, (type(self), self.args, self.__dict__)


class InvalidInputError(TransferKitError, ValueError):
    """An argument or the data are invalid.

    Attributes
    ----------
    problems : tuple of str
        All problems found, one sentence each.
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
        Similar registered names, most similar first.
    """

    def __init__(self, name: str, known: Sequence[str], *, sent: bool = False) -> None:
        self.name = name
        self.suggestions = tuple(difflib.get_close_matches(name.lower(), known, n=3))
        where = (
            " This object came from another process. What is registered in one process is not in the others: "
            "call register_backbone() in a module that both import, or pass the Backbone itself instead of "
            "its name, as get_backbone() returns it."
            if sent
            else ""
        )
        guess = f" Did you mean {quoted(self.suggestions, 'or')}?" if self.suggestions else ""
        super().__init__(
            f"Unknown backbone {name!r}.{guess} Call transferkit.list_backbones() for all "
            f"{len(known)}, or register_backbone() to add one.{where}"
        )


class BadImageError(InvalidInputError):
    """An image cannot be read.

    Attributes
    ----------
    path : str
        The file, or a description such as ``"array of shape (3, 0, 2)"``.
    category : str
        Kind of problem, such as ``"not_found"``, ``"truncated"`` or ``"too_large"``.
    reason, hint : str
        What is wrong, and how to fix it.
    index : int or None
        Position in the list of images, set by the extractor.
    known : bool
        Whether the error was recorded in an earlier run, and the image not tried again.
    """

    def __init__(
        self,
        path: object,
        category: str,
        reason: str,
        hint: str = "",
        index: int | None = None,
        known: bool = False,
    ) -> None:
        self.path = str(path)
        self.category = category
        self.reason = reason
        self.hint = hint
        self.index = index
        self.known = known
        where = "" if index is None else f"Image {index}: "
        super().__init__(f"{where}{self.path}: {reason}{' ' + hint if hint else ''}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the arguments; the default would pickle only the message."""
        return type(self), (self.path, self.category, self.reason, self.hint, self.index, self.known)


class NotFittedError(TransferKitError, ValueError, AttributeError):
    """The estimator has not been fitted yet."""


class BackboneCheckError(TransferKitError, RuntimeError):
    """A backbone computes wrong features.

    Attributes
    ----------
    name : str
    failures : tuple of str
        One sentence per failed check.
    """

    def __init__(self, name: str, failures: Sequence[str]) -> None:
        self.name = name
        self.failures = tuple(failures)
        lines = "\n".join(f"  - {text}" for text in failures)
        super().__init__(f"Backbone {name!r} failed {len(failures)} check(s):\n{lines}")


class EngineError(TransferKitError, RuntimeError):
    """An engine cannot run a backbone on this machine.

    Attributes
    ----------
    name : str
        Name of the engine.
    """

    def __init__(self, message: str, *, name: str) -> None:
        self.name = name
        super().__init__(message)


class ExportError(TransferKitError, RuntimeError):
    """A model cannot be exported to a format, or the exported file predicts differently; no file is left."""


class IsolationError(TransferKitError, RuntimeError):
    """The helper processes for ``isolate=True`` cannot be started."""


class WeightsError(TransferKitError, OSError):
    """Pretrained weights are missing, damaged or unexpected, or a backbone has changed since its last use.

    Attributes
    ----------
    name : str
        Name of the backbone.
    path : str or None
        Path of the weights file.
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
    """A saved model is damaged, in another format, or from a newer version.

    Attributes
    ----------
    path : str
    """

    def __init__(self, message: str, *, path: object) -> None:
        self.path = str(path)
        super().__init__(f"{path}: {message}")


class MissingDependencyError(TransferKitError, ImportError):
    """An optional package is not installed; ``name`` is its name."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        what = f'"transferkit[{extra}]"' if extra else package
        super().__init__(
            f"{purpose} needs {package}, which is not installed. Run: pip install {what}", name=package
        )
        self._asked = package, extra, purpose

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the arguments, since some of ImportError's attributes are not in its dictionary."""
        return type(self), self._asked


def _restored(kind: type[TransferKitError], args: tuple[object, ...], state: dict[str, object]) -> Exception:
    """Restore an unpickled error without its constructor, which would compose the message again."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def gather(problems: list[str], check: Callable[[], _Checked]) -> _Checked | None:
    """Return the result of a check; if it raises InvalidInputError, add its problems and return None.

    UnknownBackboneError is raised at once, because nothing else can be checked without the backbone.
    """
    try:
        return check()
    except UnknownBackboneError:
        raise
    except InvalidInputError as error:
        problems += error.problems
        return None


def quoted(words: Iterable[object], conjunction: str = "and") -> str:
    """Return the words quoted and joined, such as ``'a', 'b' and 'c'``."""
    items = [repr(word) for word in words]
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"
