"""`kill -9` at any event of a release: one more run finishes it, and no request is lost."""

import os
import time
from pathlib import Path

import pytest
from lightkube import Client
from lightkube.resources.core_v1 import ConfigMap, Secret

from tests.engine.cluster_view import records
from tests.engine.harness import Running, app, stack
from tests.engine.strategies import served, soak, some, under

POINTS = 24 if os.environ.get("SLIPWAY_SOAK") else 2
DRAINED = 6.0
STATE_AT_THE_END = {"PULUMI_SKIP_CHECKPOINTS": "true"}
"""The engine writes its state once: a run that is killed leaves the one before it (docs/state.md)."""


def seen(log: Path) -> int:
    """The engine's events so far."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


def killed_after(events: int, running: Running, *, engine_only: bool) -> None:
    """Kills the run once it has come so far; one that is quicker than that has ended by itself."""
    while not running.ended and seen(running.log) < events:
        time.sleep(0.005)
    running.kill(engine_only=engine_only)


@pytest.mark.parametrize("strategy", some("blueGreen"))
@pytest.mark.parametrize("engine", [{}, pytest.param(STATE_AT_THE_END, marks=soak)], ids=["", "state at the end"])
@pytest.mark.timeout(2400)
def test_killed_at_any_event_one_run_finishes_the_release_and_no_request_is_lost(
    strategy, engine, project, namespace, images, admin, load
):
    project.environ |= engine
    steps = {"steps": [{"replicas": 1, "pause": "1s"}]} if strategy == "canary" else {}
    project.configure(stack(namespace, myapp=under(strategy, **steps)))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    whole = len(project.up(SLIPWAY_IMAGE=images.v2).expect().events)
    unfinished = 0
    with load("myapp") as run:
        for point in range(POINTS):
            version = ("v1", "v2")[point % 2]
            at = round(whole * (point + 0.5) / POINTS)
            started = project.up_async(SLIPWAY_IMAGE=getattr(images, version))
            killed_after(at, started, engine_only=point % 4 > 1)
            project.cancel()
            healthy = [r for r in records(admin, namespace) if r.outcome == "Healthy"]
            unfinished += healthy[-1].release.image != images.digest(version)
            project.up(SLIPWAY_IMAGE=getattr(images, version)).expect()
            assert served(admin, namespace)[0] == images.digest(version), f"killed after event {at} of {whole}"
            last = records(admin, namespace)[-1]
            assert (last.outcome, last.release.image) == ("Healthy", images.digest(version))
        time.sleep(DRAINED)
    assert run.result.failed == 0, run.result.samples
    assert unfinished >= POINTS // 3, "most kills must have hit an unfinished release"
    assert set(project.up().expect().changes) == {"same"}


def test_what_a_killed_run_made_and_no_later_one_wants_is_removed_though_no_state_tells_of_it(
    project, namespace, images, admin, admission
):
    project.environ |= STATE_AT_THE_END
    project.configure(stack(namespace, myapp=app(secretEnv={"API_KEY": {"fromEnv": "THE_KEY"}})))
    project.up(SLIPWAY_IMAGE=images.v1, THE_KEY="one").expect()
    copied = admin.get(ConfigMap, "myapp-releases", namespace=namespace).to_dict()  # by hand, with our labels
    copied["metadata"] = {"name": "a-copy", "labels": copied["metadata"]["labels"]}
    admin.create(ConfigMap.from_dict(copied), namespace=namespace)
    kept = secrets(admin, namespace)
    admission.refuse("the ledger", reason="Forbidden")  # so that the run comes to its Secret, and no further
    killed = project.up_async(THE_KEY="two")
    while secrets(admin, namespace) == kept and not killed.ended:
        time.sleep(0.02)
    killed.kill()
    project.cancel()
    admission.allow()
    (left,) = secrets(admin, namespace) - kept
    said = f"Secret {left}: left behind by a run that was killed: deleted when myapp is done"
    assert said in project.up(THE_KEY="one").expect().messages
    assert secrets(admin, namespace) == kept
    assert admin.get(ConfigMap, "a-copy", namespace=namespace)
    assert "left behind" not in project.up(THE_KEY="one").expect().output


def secrets(admin: Client, namespace: str) -> set[str]:
    """The Secrets of the workload."""
    found = admin.list(Secret, namespace=namespace, labels={"app.kubernetes.io/instance": "myapp"})
    return {it.metadata.name for it in found}
