"""What a person reads at the end of a run that did not do what was asked: where users are, once, last."""

import re
import signal
import socket
import time

import pytest

from tests.engine.admission import REFUSED
from tests.engine.cluster_view import outcomes
from tests.engine.harness import Outcome, app, stack

NOISE = ("Traceback", "Resource monitor", "unhandled", "non-zero exit code", "EOF", "KeyboardInterrupt")
STRATEGIES = {
    "rolling": {"rolling": {}},
    "blueGreen": {"blueGreen": {}},
    "canary": {"canary": {"steps": [{"replicas": 1, "pause": "60s"}], "checks": []}},
}


def last_words(outcome: Outcome) -> str:
    """The last message of the run; whatever else it said is no noise."""
    assert [word for word in NOISE if word in outcome.output] == []
    return outcome.messages[-1]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failed_release_says_once_and_last_where_users_are_and_why_it_failed(project, namespace, images, strategy):
    settings = app(strategy=STRATEGIES[strategy], progressDeadline="6s")
    project.configure(stack(namespace, myapp=settings)).up(SLIPWAY_IMAGE=images.v1).expect()
    live = project.outputs()["workloads"]["myapp"]["release"]
    failed = project.up(SLIPWAY_IMAGE=images.never).expect(1)
    said = last_words(failed)
    assert re.match(
        rf"myapp: users are on release {live} \(2 of 2 pods\); release \w+: did not come up within 6 s: ", said
    )
    assert said.count("its readiness probe fails") == 1
    assert "- workloads" not in failed.output, "as if the app had been removed"
    reached = project.outputs()["workloads"]["myapp"]
    assert (reached["release"], reached["phase"]) == (live, "Degraded")
    hooks = [line for line in failed.messages if "before-write" in line]
    assert [re.sub(r"release \w+", "release", line) for line in hooks] == [
        'before hook "before-write" failed: release failed: the line of `myapp:` says more'
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_interrupted_release_says_that_it_is_under_way_and_goes_on_with_the_next_run(
    project, namespace, images, strategy
):
    settings = app(strategy=STRATEGIES[strategy])
    project.configure(stack(namespace, myapp=settings)).up(SLIPWAY_IMAGE=images.v1).expect()
    running = project.up_async(SLIPWAY_IMAGE=images.slow)  # its pods are ready after 4 s
    while "begins on" not in running.outcome().stdout:
        assert not running.ended
        time.sleep(0.1)
    time.sleep(1)
    running.process.send_signal(signal.SIGINT)
    interrupted = running.wait(20).expect(1)
    assert re.match(
        r"myapp: users are on .*; release \w+ is under way, and the cluster goes on with what has begun: run again to "
        r"finish it, or with SLIPWAY_ACTION=abort",
        last_words(interrupted),
    )
    if strategy == "canary":
        settings["strategy"] = {"canary": {"steps": [{"replicas": 1, "pause": "1s"}], "checks": []}}
        project.configure(stack(namespace, myapp=settings))
    project.up(SLIPWAY_IMAGE=images.slow).expect()
    assert project.outputs()["workloads"]["myapp"]["phase"] == "Healthy"


def test_a_run_that_is_interrupted_before_it_writes_says_so_in_one_line(project, namespace):
    project.configure(stack(namespace, myapp=app()))
    with socket.socket() as registry:  # it takes the question for the image, and never answers
        registry.bind(("127.0.0.1", 0))
        registry.listen()
        registry.settimeout(60)
        running = project.up_async(SLIPWAY_IMAGE=f"127.0.0.1:{registry.getsockname()[1]}/demo/app:1")
        asked, _ = registry.accept()
        with asked:
            running.process.send_signal(signal.SIGINT)
            interrupted = running.wait(20).expect(1)
    assert last_words(interrupted) == "interrupted before anything was written: run again"


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_api_server_refuses_in_mid_release_ends_with_where_users_are(
    what, project, namespace, images, admin, admission
):
    project.configure(stack(namespace, myapp=app())).up(SLIPWAY_IMAGE=images.v1).expect()
    admission.refuse(what, images.digest("v2"))
    said = project.up(SLIPWAY_IMAGE=images.v2).expect(1)
    assert "not today" in said.output
    (last,) = {line for line in said.messages if line.startswith("myapp: users are on ")}
    assert "run again" in last
    assert outcomes(admin, namespace)[0] == "Healthy"
