"""Find the weights of a backbone and their digest. Keras is imported only for downloads."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from transferkit.backbones._download import download_beside, note_of
from transferkit.backbones.backbone import Backbone
from transferkit.backbones.digests import digests_of
from transferkit.backbones.own_models import OwnModel
from transferkit.backbones.random_weights import random_weights
from transferkit.backbones.saved_layers import has_layer
from transferkit.backbones.source import Source, Weights
from transferkit.errors import InvalidInputError, WeightsError
from transferkit.foundation.arguments import is_path

FOLDER_VARIABLE = "TRANSFERKIT_WEIGHTS"


def resolve_weights(backbone: Backbone, weights: str | os.PathLike[str] | None) -> Weights:
    """Find weights; Keras downloads those of ImageNet if they are missing.

    ``"imagenet"`` is looked up as ``<registry name>.weights.h5`` and under Keras's file name in the folder
    ``TRANSFERKIT_WEIGHTS``, then in Keras's own folder, and then downloaded.

    Raises
    ------
    WeightsError
        The file is missing, cannot be downloaded, or is not the one that Keras published.
    InvalidInputError
        ``weights`` is not ``"imagenet"``, a path or None, or the backbone has fixed filters or is a model.
    """
    if not (weights is None or is_path(weights)):
        raise InvalidInputError(
            f'weights must be "imagenet", the path of a weights file, or None for seeded random weights. '
            f"Got {weights!r}."
        )
    if isinstance(backbone.constructor, Source):
        return backbone.constructor.resolve(backbone.name, weights)
    if not backbone.pretrained:
        if weights not in (None, "imagenet"):
            raise InvalidInputError(
                f"Backbone {backbone.name!r} has fixed filters and loads no weights. "
                f"Got weights={str(weights)!r}. Leave weights out."
            )
        return Weights("fixed", None, "fixed")
    if weights is None and has_own_weights(backbone):
        raise InvalidInputError(
            f"weights must be left out for backbone {backbone.name!r}, a model that has weights of its own, "
            "or be the path of a file of others. Got None. For random weights, build the model anew."
        )
    if weights is None:
        return random_weights()
    if weights != "imagenet":
        return _from_file(backbone, Path(weights).expanduser())
    if backbone.weights_file is None:
        return Weights("constructor", None, "constructor")
    path = _find(backbone) or _download(backbone)
    return _in_file(backbone, path, "imagenet")


def has_own_weights(backbone: Backbone) -> bool:
    """Return True for a Keras model that was passed: its weights are in it."""
    return isinstance(backbone.constructor, OwnModel)


def any_weights(backbone: Backbone) -> Weights:
    """Return random weights, which need no download, or the network's own if it has no others."""
    source = backbone.constructor
    takes_random = (
        source.takes_random_weights if isinstance(source, Source) else not has_own_weights(backbone)
    )
    return resolve_weights(backbone, None if takes_random else "imagenet")


def _from_file(backbone: Backbone, path: Path) -> Weights:
    """Return the weights in a file; Keras's own file counts as ImageNet weights in any folder."""
    if not path.is_file():
        near = f" Its folder has {_listing(path.parent)}." if path.parent.is_dir() else ""
        raise WeightsError(
            f"weights must be a file that exists, made with model.save_weights('….weights.h5'). "
            f"Got {str(path)!r}.{near}",
            name=backbone.name,
            path=str(path),
        )
    return _in_file(backbone, path, "imagenet" if path.name == backbone.weights_file else "file")


def _in_file(backbone: Backbone, path: Path, kind: str) -> Weights:
    """Return the weights in an existing file, with the information whether they need ``finish``."""
    digest = _verified(backbone, path)
    finish = backbone.finish is not None and kind == "imagenet"
    if backbone.finish is not None and backbone.lost_layer is not None and path.name != backbone.weights_file:
        published = backbone.weights_hash in digests_of(path)
        finish = published or has_layer(path, backbone.lost_layer)
    return Weights(kind, path, digest, finish)


def _places(backbone: Backbone) -> list[Path]:
    """Return the paths where ImageNet weights are looked up, in order."""
    assert backbone.weights_file is not None
    places = []
    if folder := os.environ.get(FOLDER_VARIABLE):
        base = Path(folder).expanduser()
        places += [base / f"{backbone.name}.weights.h5", base / backbone.weights_file]
    keras_home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    return [*places, keras_home / "models" / backbone.weights_file]


def _find(backbone: Backbone) -> Path | None:
    """Return the first of these paths that is a file."""
    return next((path for path in _places(backbone) if path.is_file()), None)


def _download(backbone: Backbone) -> Path:
    """Let Keras download its file; the error says where to put the file by hand."""
    size = backbone.image_size
    target = _places(backbone)[-1]
    try:
        if isinstance(backbone.constructor, str):
            download_beside(backbone.constructor, size, target, lambda path: _verified(backbone, path))
        else:
            constructor, _, _ = backbone.triple
            with contextlib.redirect_stdout(sys.stderr):  # Keras prints its progress
                constructor(include_top=False, weights="imagenet", input_shape=(size, size, 3))
    except WeightsError:
        raise
    except Exception as error:  # Keras wraps network failures in plain Exception
        if not isinstance(backbone.constructor, str):
            # Otherwise the next call would use a partial file.
            target.unlink(missing_ok=True)
        raise WeightsError(
            _offline_message(backbone, target), name=backbone.name, path=str(target)
        ) from error
    if not target.is_file():
        raise WeightsError(_offline_message(backbone, target), name=backbone.name, path=str(target))
    return target


def _offline_message(backbone: Backbone, target: Path) -> str:
    folder = os.environ.get(FOLDER_VARIABLE)
    place = f"a folder named by {FOLDER_VARIABLE}"
    if folder:
        absent = "" if Path(folder).expanduser().is_dir() else ", which does not exist"
        place = f"the folder {folder} ({FOLDER_VARIABLE}{absent})"
    return (
        f"The ImageNet weights of {backbone.name!r} are not on this machine and could not be downloaded. "
        f"Put the file {backbone.weights_file}, or {backbone.name}.weights.h5 from model.save_weights, "
        f"into {place}, or at {target}; or pass weights=<file>. backbone='scattering' needs no weights "
        f"at all; weights=None gives random ones, for trying out the mechanics only."
    )


def _verified(backbone: Backbone, path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises WeightsError if Keras published another digest for its name, or one is noted beside it.
    """
    if path.name == backbone.weights_file:
        _check(backbone, path, backbone.weights_hash, "the file that Keras published")
    note = note_of(path)
    if note.is_file():  # digest and name, as sha256sum writes them
        words = note.read_text("utf-8", "replace").split()
        _check(backbone, path, words[0].lower() if words else None, f"the one described by {note}")
    return digests_of(path)[0]


def _check(backbone: Backbone, path: Path, expected: str | None, meaning: str) -> None:
    """Raise WeightsError unless the file has the expected digest, if there is one."""
    sha, md5 = digests_of(path)
    if expected and expected not in (sha, md5):
        actual = sha if len(expected) == 64 else md5
        raise WeightsError(
            f"{path} is damaged or not {meaning}: expected digest {expected}, "
            f"got {actual}. Delete it and download it again.",
            name=backbone.name,
            path=str(path),
        )


def _listing(folder: Path) -> str:
    names = sorted(item.name for item in folder.iterdir() if item.suffix in {".h5", ".keras"})[:5]
    return ", ".join(names) if names else "no .h5 file"
