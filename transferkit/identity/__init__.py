"""Identity: what a feature space depends on, and whether two descriptions of features mean the same.

- ``describe_backbone``: the network with its weights and preprocessing;
- ``describe_features``: the recipe of a feature space, whose hash is the name of its cache file;
- ``Guard``: whether a registered backbone still does what was described;
- ``feature_differences``: what a saved model compares before it predicts.

Within a space, a row is found by its image (``Source.digest``, ``View.key``) and part (``Settings.job``).
"""

from transferkit.identity._backbone import describe_backbone
from transferkit.identity._features import EQUIVALENT_ENGINES, describe_features, feature_differences
from transferkit.identity._guard import Guard

__all__ = ["EQUIVALENT_ENGINES", "Guard", "describe_backbone", "describe_features", "feature_differences"]
