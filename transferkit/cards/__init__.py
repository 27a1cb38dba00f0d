"""Model cards: what a model is, what it was trained on, how good it is, and its known limits.

``_card`` is the card; ``_markdown`` and ``_page`` write it. Its sections (``_model``, ``_data``,
``_figures``, ``_limits``) are derived from a fitted model; they state what is known, and what is not.
"""

from transferkit.cards._card import ModelCard, Section
from transferkit.cards._make import make_card
from transferkit.cards._markdown import check_unchanged
from transferkit.cards._page import card_html, whole_page

__all__ = ["ModelCard", "Section", "card_html", "check_unchanged", "make_card", "whole_page"]
