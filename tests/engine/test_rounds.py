"""Release after release under load: the long form of what test_releases.py asks once. Part of `make soak` only."""

import os
import time

import pytest

from tests.engine.cluster_view import records
from tests.engine.harness import stack
from tests.engine.strategies import NAMES, served, under

ROUNDS, ROLLBACK_EACH, BAD_EACH = 30, 3, 6


@pytest.mark.skipif(not os.environ.get("SLIPWAY_SOAK"), reason="30 releases of each strategy: make soak")
@pytest.mark.parametrize("strategy", NAMES)
@pytest.mark.timeout(2400)
def test_thirty_releases_and_ten_rollbacks_lose_no_request(strategy, project, namespace, images, admin, load):
    settings = {"steps": [{"replicas": 1, "pause": "1s"}]} if strategy == "canary" else {}
    project.configure(stack(namespace, myapp=under(strategy, **settings)))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    live, rollbacks, bad = "v1", 0, 0
    with load("myapp", duration=1800) as run:
        for number in range(1, ROUNDS + 1):
            if strategy == "blueGreen" and number % BAD_EACH == 0:
                project.up(SLIPWAY_IMAGE=images.bad).expect(1)
                bad += 1
            before, live = live, ("v2", "v3", "v1")[number % 3]
            project.up(SLIPWAY_IMAGE=getattr(images, live)).expect()
            assert served(admin, namespace)[0] == images.digest(live)
            if number % ROLLBACK_EACH == 0:
                project.up(SLIPWAY_ACTION="rollback").expect()
                rollbacks, live = rollbacks + 1, before
                assert served(admin, namespace)[0] == images.digest(live)
        time.sleep(4)
    assert rollbacks == 10
    assert run.result.failed == 0, run.result.samples
    assert run.result.sent_rate >= 500
    assert set(run.result.versions) == {"v1", "v2", "v3"}  # never one that failed its checks before the switch
    assert len(records(admin, namespace)) == 10
    assert bad == (ROUNDS // BAD_EACH if strategy == "blueGreen" else 0)
