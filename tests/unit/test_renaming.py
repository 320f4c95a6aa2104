"""A workload under a new name: what of the old one counts, and which runs would leave users without pods."""

from dataclasses import replace
from typing import Any

import pytest

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import POOL_LABEL
from pulumi_slipway.core.model import Phase, Pool, Record, Release, TrackName
from pulumi_slipway.core.plan import plan
from pulumi_slipway.release import ledger, manifests, renamed
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import SUFFIXES, observe
from pulumi_slipway.release.pod_template import pod_template
from pulumi_slipway.release.rules import rules_of
from pulumi_slipway.settings import Action, Run
from tests.unit.test_service_ports import subject as of_source

IMAGE = "app@sha256:" + "1" * 64

BLUE, GREEN, STABLE = TrackName.BLUE, TrackName.GREEN, TrackName.STABLE


def called(name: str, strategy: str = "rolling", old: str | None = None) -> Subject:
    one = of_source(3000, "http", strategy)
    return Subject(name, one.environment, one.workload.model_copy(update={"renamed_from": old}), one.source)


def there(*tracks: tuple[TrackName, int], pool: Pool, outcome: Phase = Phase.HEALTHY, strategy: str = "rolling") -> Any:
    """What a namespace has of the workload `web`."""
    old = called("web", strategy)
    release = Release.of(pod_template(old, f"app@sha256:{1:064}", None)[0])
    found: dict[str, dict[str, Any]] = {kind: {} for kind in SUFFIXES}
    for track, pods in tracks:
        made = manifests.deployment(old, track, release.pod_template(track), pods)
        made["metadata"]["generation"] = 1
        found["Deployment"][made["metadata"]["name"]] = made
    found["Service"]["web"] = manifests.service(old, pool)
    record = Record(
        1,
        release,
        outcome,
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        track=tracks[0][0],
    )
    found["ConfigMap"]["web-releases"] = {
        "metadata": {"name": "web-releases", "labels": old.labels},
        "data": ledger.encode((record,)),
    }
    return found


def moves(found: Any, strategy: str = "rolling", run: Run | None = None) -> Any:
    """The plan under the new name."""
    one = called("shop", strategy, "web")
    world = observe(found, one)
    renamed.refuse_halves(found, one, world, run or Run())
    desired = Release.of(pod_template(one, f"app@sha256:{1:064}", None)[0])
    made = plan("shop", world.observed, desired, Action.DEPLOY, rules_of(one.workload))
    renamed.refuse_to_wait(found, one, made)
    return world, made


@pytest.mark.parametrize(
    ("strategy", "track", "pool"),
    [("rolling", STABLE, Pool.MAIN), ("blueGreen", BLUE, Pool.BLUE), ("canary", STABLE, Pool.MAIN)],
)
def test_records_and_services_are_taken_over_and_users_stay_where_they_are(strategy, track, pool):
    world, made = moves(there((track, 2), pool=pool, strategy=strategy), strategy)
    assert world.observed.committed is not None
    assert world.observed.live_image() == f"app@sha256:{1:064}"
    assert (made.pool, made.phase) == (pool, Phase.HEALTHY)
    assert made.live is track


def test_without_saying_so_it_is_refused_with_the_setting():
    with pytest.raises(UserError, match="where that is its old name, say so with `renamedFrom: web`"):
        observe(there((STABLE, 2), pool=Pool.MAIN), called("shop"))


@pytest.mark.parametrize(
    ("found", "run", "said"),
    [
        (there((STABLE, 2), pool=Pool.MAIN), Run(action=Action.SETTLE), "is still to be renamed"),
        (there((STABLE, 2), pool=Pool.MAIN), Run(only=frozenset({"api"})), "is still to be renamed"),
        (there((STABLE, 2), pool=Pool.MAIN, outcome=Phase.PAUSED), Run(), "promote or abort it under the old name"),
        (there((GREEN, 2), (BLUE, 2), pool=Pool.GREEN), Run(), "web-blue is warm"),
    ],
)
def test_a_run_that_would_leave_users_on_what_is_deleted_is_refused(found, run, said):
    with pytest.raises(UserError, match=said):
        moves(found, run=run)


def test_one_that_would_wait_is_refused():
    found, one = there((STABLE, 2), pool=Pool.MAIN), called("shop", "rolling", "web")
    _, made = moves(found)
    with pytest.raises(UserError, match="this run would end Paused, and delete web"):
        renamed.refuse_to_wait(found, one, replace(made, phase=Phase.PAUSED))


def test_once_the_old_name_is_gone_nothing_is_refused():
    found = there((STABLE, 2), pool=Pool.MAIN)
    found["Deployment"].clear()
    moves(found, run=Run(action=Action.SETTLE))


def test_records_of_pods_with_other_labels_do_not_count_but_their_image_is_kept():
    """Settings name the pods after the workload."""
    found = there((STABLE, 2), pool=Pool.MAIN)
    own = called("shop", "rolling", "web")
    world = observe({**found, "Service": {}}, Subject("shop", own.environment, own.workload))
    assert world.observed.ledger == ()
    assert world.image_before == f"app@sha256:{1:064}"
    assert POOL_LABEL not in own.selector
