"""Fixtures that all tests share."""

import numpy as np
import pytest

from tests.golden.fixture import Golden, golden_path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/data from what the tests see")


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(20240229)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden(text)` compares text with the file in tests/golden/data named after the test."""
    return Golden(golden_path(request.node.name), update=request.config.getoption("--update-golden"))
