"""What is told of every step."""

import pytest

from core.errors import InputError
from core.training.reporting import check_trackers


def test_a_tracker_that_is_not_installed_is_said_before_anything_is_trained():
    assert check_trackers("") == []
    with pytest.raises(InputError, match="--report-to mlflow needs the package mlflow"):
        check_trackers("mlflow")
