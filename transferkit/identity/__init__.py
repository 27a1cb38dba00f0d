"""Identity: what a feature space depends on, and whether two descriptions of features are equivalent.

- ``describe_backbone`` describes a network with its weights and preprocessing;
- ``describe_features`` returns the recipe of a feature space, whose hash is the name of its cache file;
- ``Guard`` checks that a registered backbone still does what was described;
- ``feature_differences`` compares the features of a saved model with the current ones.

In a space, a row is identified by its image (``Source.digest``, ``View.key``) and part (``Settings.job``).
"""

from transferkit.identity._backbone import describe_backbone
from transferkit.identity._features import EQUIVALENT_ENGINES, describe_features, feature_differences
from transferkit.identity._guard import Guard

__all__ = ["EQUIVALENT_ENGINES", "Guard", "describe_backbone", "describe_features", "feature_differences"]
