"""What the tests of the pipeline share: a project whose staging runs the first commit."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import runner
from tests.pipeline.harness import Delivery

NOT_IN_A_SANDBOX = (
    "the pipeline tests run inside a sandbox: python -m sandbox.runner && python -m sandbox up --name test && "
    "python -m sandbox exec --name test -- .venv/bin/python -m pytest tests/pipeline"
)


@pytest.fixture(scope="session")
def ready() -> None:
    """Fails where there is no sandbox, or no runner of pipelines."""
    if not os.environ.get("SLIPWAY_SANDBOX") or not runner.command().exists():
        pytest.fail(NOT_IN_A_SANDBOX, pytrace=False)


@pytest.fixture(scope="module")
def delivery(ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    """A GitLab project with its access stack; nothing is deployed yet."""
    made = Delivery(Path(tmp_path_factory.mktemp("delivery")))
    yield made
    made.discard()
