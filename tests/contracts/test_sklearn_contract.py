"""scikit-learn's own suite, on the form of the estimators that takes arrays."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from transferkit import Classifier, ImageRegressor, KeypointRegressor

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:sklearn")


@parametrize_with_checks(
    [Classifier("precomputed"), ImageRegressor("precomputed"), KeypointRegressor("precomputed")]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
