"""`pulumi cancel` while a run is under way: it lifts the lock, and neither run ends well where its release did not."""

import time

import pytest

from tests.engine.cluster_view import records
from tests.engine.harness import stack
from tests.engine.strategies import served, soak, some, under


@pytest.mark.parametrize("then", ["another run", pytest.param("nothing", marks=soak)])
@pytest.mark.parametrize("strategy", some("rolling"))
def test_a_run_that_was_cancelled_ends_well_only_with_its_release(
    project, namespace, images, admin, load, strategy, then
):
    project.configure(stack(namespace, myapp=under(strategy, replicas=2))).up(SLIPWAY_IMAGE=images.v1).expect()
    with load("myapp") as run:
        first = project.up_async(SLIPWAY_IMAGE=images.slow)  # its pods are ready after 4 s
        while "begins on" not in first.outcome().stdout:
            assert not first.ended, first.outcome().output
            time.sleep(0.1)
        project.cancel()
        second = project.up(SLIPWAY_IMAGE=images.v3) if then == "another run" else None
        ended = first.wait()
        found = {it.release.image: str(it.outcome) for it in records(admin, namespace)}
        assert (ended.status == 0) == (found[images.digest("slow")] == "Healthy"), ended.output
        if second:
            assert (second.status == 0) == (found.get(images.digest("v3")) == "Healthy"), second.output
        wanted = "v3" if second else "slow"
        project.up(SLIPWAY_IMAGE=getattr(images, wanted)).expect()
    assert served(admin, namespace)[0] == images.digest(wanted)
    assert run.result.failed == 0, run.result.samples
