"""Wrong sources through the real engine: one clear line, exit status 1, nothing written, in bounded time and memory."""

import resource

import pytest
from lightkube import Client
from lightkube.resources.apps_v1 import Deployment

from tests.engine.harness import Project, stack, within
from tests.engine.strategies import SOAK
from tests.wrong_sources import WRONG_SOURCES, WrongSource

RUN = WRONG_SOURCES if SOAK else WRONG_SOURCES[::4]


def test_there_are_enough_of_them() -> None:
    assert len(WRONG_SOURCES) >= 25


@pytest.mark.parametrize("wrong", RUN, ids=lambda wrong: wrong.id)
def test_a_wrong_source_ends_the_run_with_one_line_and_nothing_written(
    wrong: WrongSource, project: Project, namespace: str, admin: Client, images
) -> None:
    for name, text in wrong.files.items():
        path = project.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, errors="surrogateescape")
    project.configure(stack(namespace, myapp={"source": dict(wrong.source)}))
    with within(15, wrong.id):
        outcome = project.up(SLIPWAY_IMAGE=images.v1).expect(1)
    told = [line for line in outcome.messages if all(part in line for part in wrong.said)]
    assert told, outcome.output
    assert "Traceback" not in outcome.output
    assert [*admin.list(Deployment, namespace=namespace)] == []
    assert not outcome.operations("Deployment")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20  # KiB
