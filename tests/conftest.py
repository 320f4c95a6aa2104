"""What all tests share."""

import pytest
from hypothesis import settings

settings.register_profile("slipway", deadline=None)  # the machine is shared: a slow example is no failure
settings.load_profile("slipway")

TOGETHER = (
    "test_sandbox",
    "test_access_engine",
    "test_access_identities",
    "test_access_preflight",
    "test_access_renewal",
    "test_status_engine",
)
"""Modules whose tests share something that takes long to set up: on one worker each, and first, as they last."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `--dist loadgroup`."""
    for item in items:
        if item.path.stem in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: TOGETHER.index(item.path.stem) if item.path.stem in TOGETHER else len(TOGETHER))
