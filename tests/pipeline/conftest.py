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


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the marks
@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a module tell one story on one project: they stay together on a worker (`--dist loadgroup`)."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


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
