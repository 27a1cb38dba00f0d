"""Decode images in helper processes, so that a crashing or hanging decoder costs one file and not the run."""

from transferkit.images.isolation._pool import decode_apart

__all__ = ["decode_apart"]
