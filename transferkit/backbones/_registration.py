"""Register a backbone and check it on request; registry and checks do not depend on this module."""

from __future__ import annotations

from typing import Any

from transferkit.backbones import registry
from transferkit.backbones.backbone import Backbone, Reference, plain_name
from transferkit.backbones.checks import check_backbone
from transferkit.backbones.source import Source
from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_count


def register_backbone(
    name: str,
    constructor: Reference | Source,
    preprocess_input: Reference,
    min_size: int,
    *,
    check: bool = False,
    overwrite: bool = False,
    **details: Any,
) -> Backbone:
    """Register a backbone, so that its name can be used wherever a backbone is expected.

    Parameters
    ----------
    name : str
        Name of the new backbone.
    constructor, preprocess_input, min_size
        See :class:`Backbone`.
    check : bool, default=False
        Call :func:`check_backbone` first, with ``weights=None``.
    overwrite : bool, default=False
        Replace registered backbones whose name is this name or one of the new aliases.
    **details
        Other fields of :class:`Backbone`; ``image_size`` defaults to 224, or ``min_size`` if that is larger.

    Returns
    -------
    Backbone

    Raises
    ------
    InvalidInputError
        The name is taken or reserved, or a field is invalid; see :class:`Backbone`.
    BackboneCheckError
        ``check=True`` and a check failed; nothing is registered then.

    Examples
    --------
    >>> from transferkit import register_backbone, get_backbone
    >>> backbone = register_backbone("my_net", "keras.applications:VGG16",
    ...                              "keras.applications.vgg16:preprocess_input", 32, overwrite=True)
    >>> get_backbone("My-Net").min_size
    32
    """
    if is_count(min_size):
        details.setdefault("image_size", max(min_size, 224))
    backbone = Backbone(name, constructor, preprocess_input, min_size, **details)
    words = (name, *backbone.aliases)
    if reserved := [word for word in words if _is_reserved(word)]:
        raise InvalidInputError(
            "name and aliases must not be 'precomputed', which stands for features that are computed "
            f"elsewhere, nor end in .onnx, as files do. Got {reserved[0]!r}. Choose another name."
        )
    taken = [word for word in words if registry.is_taken(word)]
    if taken and not overwrite:
        raise InvalidInputError(
            f"Backbone {taken[0]!r} is registered already. Choose another name or pass overwrite=True."
        )
    if check:
        check_backbone(backbone)
    registry.add(backbone)
    return backbone


def _is_reserved(word: str) -> bool:
    return plain_name(word) == "precomputed" or word.lower().endswith(".onnx")
