"""Why a model answers as it does."""

from transferkit.explanation._class_activation import ClassActivation, explain

__all__ = ["ClassActivation", "explain"]
