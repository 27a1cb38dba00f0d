"""Decode images in helper processes, so that a decoder that crashes or hangs affects only one file."""

from transferkit.images.isolation._pool import decode_apart

__all__ = ["decode_apart"]
