"""Fine-tuning: the last layers of a backbone learn, too.

``_fine_tune`` is the public function; ``_subject`` says which head is trained on which squares
(``_squares``), ``_network`` joins backbone and head, ``_training`` runs the epochs, ``_checkpoint`` keeps
them, and ``_tune`` puts these together. What comes out is a file of weights, and an estimator that is fitted
on its features, whose decisions rest on held-out images alone. ``fine_tuned`` does the same as an estimator
of scikit-learn.
"""

from transferkit.finetuning._fine_tune import fine_tune
from transferkit.finetuning.fine_tuned import FineTuned

__all__ = ["FineTuned", "fine_tune"]
