"""``Dataset``, ``Subset`` and ``DataLoader`` of PyTorch, and ``ImageFolder`` of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit.images.gathering._elements import read_elements
from transferkit.images.gathering._gathered import Gathered

__all__ = ["gather", "is_one"]

_FOLDER = "torchvision.datasets.folder"
_SUBSET = "torch.utils.data.dataset"


def is_one(X: Any) -> bool:
    """Return True for an object with a length and elements by number, or a loader of such an object."""
    return (
        not isinstance(X, Mapping) and hasattr(X, "__len__") and (hasattr(X, "__getitem__") or _is_loader(X))
    )


def gather(X: Any) -> Gathered:
    """Read it once: the files of a folder if nothing changes their pixels, otherwise the elements."""
    if _is_loader(X):
        # A user's own collate function may do anything with the elements of a batch.
        own = getattr(getattr(X, "collate_fn", None), "__name__", "") != "default_collate"
        found = read_elements(X, batches=None if own else True)
        return found._replace(shuffled=_is_shuffled(X), names=_names(X.dataset))
    files = _files(X)
    if files is None:
        found = read_elements(X[row] for row in range(len(X)))
        return found._replace(shuffled=getattr(X, "shuffle", None) is True, names=_names(X))
    paths, numbers = [path for path, _ in files], [number for _, number in files]
    change = getattr(_whole(X), "target_transform", None)
    labels = numbers if change is None else [change(number) for number in numbers]
    return Gathered(paths, labels, names=_names(X))


def _is_loader(X: Any) -> bool:
    return all(hasattr(X, name) for name in ("dataset", "sampler", "batch_size", "__iter__"))


def _is_shuffled(loader: Any) -> bool:
    """Return True unless a loader certainly takes elements in order."""
    batches = getattr(loader, "batch_sampler", None)
    samplers = [loader.sampler] if batches is None else [loader.sampler, getattr(batches, "sampler", None)]
    in_order = all(type(sampler).__name__ == "SequentialSampler" for sampler in samplers)
    plain = batches is None or type(batches).__name__ == "BatchSampler"
    return not (in_order and plain and getattr(loader, "in_order", True))


def _is_subset(X: Any) -> bool:
    """Return True for PyTorch's own Subset; another class of that name may change the elements."""
    element = getattr(type(X), "__getitem__", None)
    return getattr(element, "__module__", None) == _SUBSET and hasattr(X, "indices")


def _whole(X: Any) -> Any:
    """Return the dataset that a (nested) subset is taken from."""
    return _whole(X.dataset) if _is_subset(X) else X


def _names(X: Any) -> Any:
    """Return the names of the classes by their numbers; None if labels are no longer class numbers."""
    X = _whole(X)
    if getattr(X, "target_transform", None) is not None:
        return None
    names, numbers = getattr(X, "classes", None), getattr(X, "class_to_idx", None)
    if names is None or not isinstance(numbers, Mapping):
        return names
    if all(numbers.get(name) == i for i, name in enumerate(names) if isinstance(name, str)):
        return names
    # classes are sorted in another way, or several have one number
    own = {number: name for name, number in numbers.items() if isinstance(number, int)}
    one_each = len(own) == len(numbers) and set(own) == set(range(len(own)))
    return [own[number] for number in range(len(own))] if one_each else None


def _files(X: Any) -> list[tuple[str, int]] | None:
    """Return paths and class numbers of an ``ImageFolder`` that loads images as they are, or None.

    A user's own transform, loader or ``__getitem__`` may change pixels.
    """
    if _is_subset(X):
        whole = _files(X.dataset)
        return whole and [whole[row] for row in X.indices]
    as_is = (
        getattr(X, "transform", None) is None
        and getattr(getattr(type(X), "__getitem__", None), "__module__", None) == _FOLDER
        and getattr(getattr(X, "loader", None), "__module__", None) == _FOLDER
    )
    return list(X.samples) if as_is and hasattr(X, "samples") else None
