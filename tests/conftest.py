"""What all tests share."""

import os

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# The machine is shared: a slow example is no failure. The soak looks for new examples; `make test` takes the same ones
# in every run, so that who changes a line is told of that line.
settings.register_profile("slipway", deadline=None, derandomize=not os.environ.get("SLIPWAY_SOAK"))
settings.load_profile("slipway")

TOGETHER = (
    "tests/pipeline/",
    "test_sandbox.py",
    "test_access_engine.py",
    "test_access_identities.py",
    "test_access_preflight.py",
    "test_access_renewal.py",
    "test_status_engine.py",
)
"""Modules whose tests share something that takes long to set up."""


class Together(LoadScopeScheduling):
    """Keeps these modules on one worker each, and spreads all other tests.

    In place of `--dist loadgroup`, which xdist 3.8 does by a private field that pytest 9.2 no longer has.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if any(part in module for part in TOGETHER) else nodeid


@pytest.hookimpl
def pytest_xdist_make_scheduler(config, log):  # type: ignore[no-untyped-def]
    """For `-n`; modules with the most tests come first."""
    return Together(config, log)
