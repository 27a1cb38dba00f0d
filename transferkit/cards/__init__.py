"""Model cards: what a model is, what it was trained on, how good it is known to be, and what nobody knows.

``_card`` is what is shown, ``_markdown`` and ``_page`` write it. Sections come from facts of a fitted model:
``_model``, ``_data``, ``_figures``, ``_limits``; nothing in them is invented, and what is not known is said.
"""

from transferkit.cards._card import ModelCard, Section
from transferkit.cards._make import make_card
from transferkit.cards._markdown import check_unchanged
from transferkit.cards._page import card_html, whole_page

__all__ = ["ModelCard", "Section", "card_html", "check_unchanged", "make_card", "whole_page"]
