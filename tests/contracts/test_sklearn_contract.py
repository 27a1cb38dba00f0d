"""scikit-learn's own suite, on the form of the estimators that takes arrays."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from transferkit import Classifier, ImageRegressor, KeypointRegressor

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:sklearn")

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "logits are calibrated with a weak prior, whose "
    "strength depends on the number of rows: one of weight 2 is one row"
}


@parametrize_with_checks(
    [Classifier("precomputed"), ImageRegressor("precomputed"), KeypointRegressor("precomputed")],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES if isinstance(estimator, Classifier) else {},
    xfail_strict=True,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
