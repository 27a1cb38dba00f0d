"""Explain the predictions of a model."""

from transferkit.explanation._class_activation import ClassActivation, explain

__all__ = ["ClassActivation", "explain"]
