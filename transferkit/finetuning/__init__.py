"""Fine-tuning: train a backbone, or its last layers, together with the head.

``_fine_tune`` is the public function; ``_subject`` chooses the head to train, and the squares to train it on
(``_squares``); ``_network`` joins backbone and head, ``_training`` runs the epochs, ``_checkpoint`` saves
them, and ``_tune`` puts these together. The result is a weights file, and an estimator fitted on its
features, whose decisions depend on held-out images only. ``fine_tuned`` does the same as a scikit-learn
estimator.
"""

from transferkit.finetuning._fine_tune import fine_tune
from transferkit.finetuning.fine_tuned import FineTuned

__all__ = ["FineTuned", "fine_tune"]
