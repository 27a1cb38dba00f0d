"""What the parameters of ``fit`` and of the estimators must be, before anything takes its time."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.estimators._precomputed import is_precomputed
from transferkit.extraction import setting_problems
from transferkit.foundation.arguments import LARGEST_SEED, is_number, is_seed


def parameter_problems(estimator: Any) -> list[str]:
    """Return what is wrong with the parameters that no extractor, view or head will check."""
    problems: list[str] = []
    if not (estimator.memory_limit is None or is_number(estimator.memory_limit, above=0)):
        problems.append(f"memory_limit must be a number of bytes, or None. Got {estimator.memory_limit!r}.")
    fraction = estimator.validation_fraction
    if not (is_number(fraction, above=-1) and 0 <= fraction < 1):
        problems.append(f"validation_fraction must be in [0, 1). Got {fraction!r}.")
    state = estimator.random_state
    if not (state is None or is_seed(state) or isinstance(state, np.random.RandomState)):
        problems.append(
            f"random_state must be an integer in 0..{LARGEST_SEED}, a numpy.random.RandomState or None. "
            f"Got {state!r}."
        )
    if is_precomputed(estimator.backbone):  # there is no extractor, but the model is saved with them
        problems += setting_problems(estimator, extractor_grid(estimator.grid))
    return problems


def extractor_grid(grid: Any) -> Any:
    """Return what an extractor calls the grid that an estimator was given; None is whole maps to both."""
    return None if isinstance(grid, str) and grid == "full" else grid


def validation_pair(validation_data: Any, problems: list[str]) -> tuple[Any, Any] | None:
    """Return the caller's own validation part as X and y, None where there is none."""
    if validation_data is None:
        return None
    if isinstance(validation_data, tuple | list) and len(validation_data) == 2:
        return validation_data[0], validation_data[1]
    kind = type(validation_data).__name__
    size = f" of {len(validation_data)}" if isinstance(validation_data, tuple | list) else ""
    problems.append(
        f"validation_data must be a pair (X, y) of images and their targets. Got {kind}{size}. Leave it out "
        "to have a part of the training images held out."
    )
    return None


def as_seed(random_state: Any) -> int:
    """Return an int seed for what scikit-learn accepts as a random state."""
    from sklearn.utils import check_random_state

    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
