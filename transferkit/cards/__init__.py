"""Model cards: what a model is, what it was trained on, how good it is known to be, and what nobody knows.

``_card`` is what is shown, ``_markdown`` and ``_page`` write it. Sections come from facts of a fitted model:
``_model``, ``_data``, ``_figures``, ``_limits``; nothing in them is invented, and what is not known is said.
"""

from transferkit.cards._card import ModelCard, Section
from transferkit.cards._make import make_card

__all__ = ["ModelCard", "Section", "make_card"]
