"""What `--target` and `--exclude` leave out while a release moves: one line, in the preview too, and nobody is lost."""

import pytest

from tests.engine.cluster_view import outcomes, sizes
from tests.engine.commands import urn
from tests.engine.harness import stack
from tests.engine.strategies import served, some, under
from tests.engine.test_verbs import objects

LEFT_OUT = "is left out of this run, and release"


@pytest.mark.parametrize("strategy", some("blueGreen"))
def test_a_release_is_moved_whole_or_not_at_all(project, namespace, images, admin, load, strategy):
    project.configure(stack(namespace, myapp=under(strategy, replicas=2))).up(SLIPWAY_IMAGE=images.v1).expect()
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    project.up().expect()
    # `--target` of the ledger alone ends with the engine's "Duplicate resource URN", before anything is written: what
    # it takes from the last state instead it has taken before the program can say so.
    flags = [("--exclude", "service")] if strategy == "blueGreen" else []
    flags += [("--exclude", "ledger")]  # the last write: without a preview it is seen only once users have moved
    before, image = objects(admin, namespace), {"SLIPWAY_IMAGE": images.v1}
    with load("myapp") as run:
        for flag, what in flags:
            named = (flag, urn(project, what))
            for refused in (project.preview(*named, **image), project.up(*named, **image)):
                told = [line for line in refused.expect(1).messages if LEFT_OUT in line]
                assert len(told) == 1, refused.output
                assert "Duplicate" not in refused.output
                assert "Traceback" not in refused.output
            if (flag, what) != flags[-1]:
                assert served(admin, namespace)[0] == images.digest("v2"), named
                assert sizes(admin, namespace).get("green", 2) == 2, named
        project.up(**image).expect()
    assert run.result.failed == 0, run.result.samples
    assert served(admin, namespace)[0] == images.digest("v1")
    assert outcomes(admin, namespace)[-1] == "Healthy"
    assert objects(admin, namespace) == before
    assert set(project.up().expect().changes) == {"same"}


def test_a_refresh_that_runs_the_program_may_come_upon_a_release_that_is_to_move(project, namespace, images, admin):
    project.configure(stack(namespace, myapp=under("blueGreen", replicas=2))).up(SLIPWAY_IMAGE=images.v1).expect()
    project.refresh("--run-program", SLIPWAY_IMAGE=images.v2).expect()
    assert served(admin, namespace)[0] == images.digest("v1")
    project.up(SLIPWAY_IMAGE=images.v2).expect()
