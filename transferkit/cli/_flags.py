"""Translate messages of the library for the command line: replace Python parameters by flags."""

from __future__ import annotations

import argparse
import re
from functools import partial

_NO_FLAGS = ("run", "data", "model", "images", "pattern", "action")  # positional arguments
_OTHER_NAMES = {"random_state": "seed"}  # parameters whose flag has another name
_VALUE = r"""=(?:'(?P<text>[^']*)'|"(?P<more>[^"]*)"|(?P<bare><[^<>]+>|[\w.+-]*\w))?"""
_ALONE = r"(?= (?:must|needs|is for)\b)"  # names like "weights" are words of other sentences too
_CALL = re.compile(r"Call transferkit\.list_backbones\(\) for all (\d+), or register_backbone\(\) to add one")
_LAYERS = re.compile(r"Call transferkit\.list_layers\(\) for all\b")
_UNKNOWN = re.compile(r"\b[Pp]ass ([a-z_]+)=")


def in_flags(message: str, options: argparse.Namespace) -> str:
    """Return a message with the flags of the command that ran.

    Parameters
    ----------
    message : str
        Such as ``"Pass image_size=75 or more."``
    options : argparse.Namespace
        Parsed arguments, which have the names of the flags.

    Returns
    -------
    str
        Such as ``"Pass --image-size 75 or more."``. Parameters without a flag are marked as such.

    Examples
    --------
    >>> options = argparse.Namespace(image_size=64, weights="imagenet")
    >>> in_flags("Pass image_size=75, or weights=None.", options)
    'Pass --image-size 75, or --weights none.'
    """
    parsed = [name for name, value in vars(options).items() if name not in _NO_FLAGS]
    flags = {name: name for name in parsed} | {n: flag for n, flag in _OTHER_NAMES.items() if flag in parsed}
    for name, flag in flags.items():
        written = "--" + flag.replace("_", "-")
        whole_word = rf"(?<![\w/.'-]){name}"  # no part of another name, of a path, or of a quoted word
        message = re.sub(whole_word + _VALUE, partial(_with, written), message)
        message = re.sub(whole_word + _ALONE, written, message)
    message = _CALL.sub(r"Run `transferkit backbones` for all \1", message)
    message = _LAYERS.sub("Run `transferkit layers BACKBONE` for all", message)
    if missing := sorted(set(_UNKNOWN.findall(message))):
        what = " or ".join(missing)
        message += f" (The command line has no flag for {what}; in Python, that is a parameter.)"
    return message


def _with(flag: str, found: re.Match[str]) -> str:
    """Return a flag with the value after the equals sign."""
    value = next((part for part in found.groups() if part is not None), None)
    if value in (None, "True"):
        return flag
    return f"{flag} {'none' if value == 'None' else value}"
