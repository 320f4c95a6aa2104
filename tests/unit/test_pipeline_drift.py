"""Drift is what differs from the last deployment: its state, and what the ledger says of a release taken back since."""

import copy
import json

import pytest

from pulumi_slipway.cluster.kinds import Unreadable
from pulumi_slipway.core.model import HOME, Phase, Pool, Record, TrackName
from pulumi_slipway.pipeline import deployed, snapshot
from pulumi_slipway.pipeline.drift import compared
from pulumi_slipway.release import ledger
from tests.unit.simulation import release

V1, V2 = release(1), release(2)
BLUE, GREEN, STABLE = TrackName.BLUE, TrackName.GREEN, TrackName.STABLE
LABELS = {"slipway.dev/environment": "staging", "app.kubernetes.io/instance": "web"}


def deployment(track, one, replicas=2):
    annotations = {"pulumi.com/skipAwait": "true", "slipway.dev/by-commit": "abc"}
    metadata = {"name": f"web{track.suffix}", "namespace": "shop", "annotations": annotations,
                "labels": {**LABELS, "slipway.dev/track": str(track)}}  # fmt: skip
    spec = {"replicas": replicas, "template": one.pod_template(track)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def service(pool):
    metadata = {"name": "web", "namespace": "shop", "labels": LABELS}
    selector = {"slipway.dev/pool": pool}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": selector}}


def book(*entries):
    at = "2026-01-01T00:00:00+00:00"
    every = enumerate(entries, 1)
    records = tuple(Record(n, one, outcome, at, at, 1.0, track=track) for n, (one, outcome, track) in every)
    metadata = {"name": "web-releases", "namespace": "shop", "labels": LABELS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": ledger.encode(records)}


def urn(manifest):
    return f"urn:{manifest['kind']}:{manifest['metadata']['name']}"


def state(*manifests):
    resources = [
        {"custom": False, "type": "slipway:index:Workload", "urn": "urn:w"},
        {"custom": True, "type": "pulumi:providers:kubernetes", "urn": "urn:p", "inputs": {}},
        *({"custom": True, "type": "kubernetes:x", "urn": urn(it), "inputs": it} for it in manifests),
    ]
    return {"deployment": {"resources": resources}}


def as_live(manifest):
    """As the API server has it: what speaks to the provider is not there, what it adds is."""
    made = copy.deepcopy(manifest)
    annotations = made["metadata"].get("annotations", {})
    made["metadata"]["annotations"] = {key: it for key, it in annotations.items() if not key.startswith("pulumi.com/")}
    made["metadata"]["uid"] = "1"
    return made


def found(declared, there):
    """The changes between what was declared and what is there, both by kind and name."""
    objects = deployed.objects(state(*declared))
    live = {urn(it): as_live(it) for it in there}
    digest = compared("staging", objects, {it.urn: live.get(it.urn) for it in objects})
    return [(it.operation, it.kind, it.name, it.fields) for it in digest.changes], digest.notices


def without_data(manifest):
    return {key: it for key, it in manifest.items() if key != "data"}


HEALTHY = book((V1, Phase.HEALTHY, STABLE))
DEPLOYED = [deployment(STABLE, V1), service("main"), without_data(HEALTHY)]


def test_what_is_as_it_was_deployed_is_no_drift():
    assert found(DEPLOYED, [deployment(STABLE, V1), service("main"), HEALTHY]) == ([], ())


def test_what_somebody_changed_or_deleted_is():
    changes, _ = found(DEPLOYED, [deployment(STABLE, V1, replicas=5), HEALTHY])
    assert changes == [
        ("update", "Deployment", "web", ("spec.replicas: 5 → 2",)),
        ("create", "Service", "web", ()),
    ]


def test_a_release_that_failed_and_was_taken_back_in_place_is_none():
    failed = book((V1, Phase.HEALTHY, STABLE), (V2, Phase.DEGRADED, STABLE))
    declared = [deployment(STABLE, V2), service("main"), without_data(failed)]
    back = deployment(STABLE, V1)
    del back["metadata"]["annotations"]  # written past the engine
    assert found(declared, [back, service("main"), failed])[0] == []
    worse = copy.deepcopy(back)
    worse["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert [it[2] for it in found(declared, [worse, service("main"), failed])[0]] == ["web"]
    assert found(declared, [deployment(STABLE, V1, replicas=9), service("main"), failed])[0] == [
        ("update", "Deployment", "web", ("spec.replicas: 9 → 2",))
    ]


def test_nor_one_whose_service_was_switched_back():
    failed = book((V1, Phase.HEALTHY, BLUE), (V2, Phase.DEGRADED, GREEN))
    declared = [deployment(BLUE, V1), deployment(GREEN, V2), service("green"), without_data(failed)]
    assert found(declared, [deployment(BLUE, V1), deployment(GREEN, V2, 0), service("blue"), failed])[0] == []
    switched = found(declared, [deployment(BLUE, V1), deployment(GREEN, V2, 0), service("green"), failed])[0]
    assert [it[:3] for it in switched] == [("update", "Service", "web")], "users are on the one that failed"


def test_what_is_on_its_way_is_told_and_not_judged():
    moving = book((V1, Phase.HEALTHY, STABLE), (V2, Phase.PROGRESSING, STABLE))
    changes, notices = found([*DEPLOYED[:2], without_data(moving)], [deployment(STABLE, V2), service("main"), moving])
    assert changes == []
    assert notices == (f"web: release {V2.id} is under way, or was cut off: its tracks and Service are not looked at",)


def test_what_may_not_be_read_or_is_in_no_cluster_is_told():
    [object_] = deployed.objects(state(service("main")))
    digest = compared("staging", [object_], {object_.urn: Unreadable()}, others=2)
    assert digest.changes == ()
    assert digest.notices == (
        "2 resources that are in no cluster: not looked at",
        "Service web: this identity may not read it: not looked at",
    )


def test_a_secret_that_was_changed_is_told_without_its_value():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}}
    sealed = {snapshot._SIGNATURE: snapshot._SECRET, "plaintext": json.dumps({"key": "b2xk"})}
    objects = deployed.objects(state({**secret, "data": sealed}))
    assert "b2xk" not in repr(objects)
    same, other = ({**secret, "data": {"key": value}} for value in ("b2xk", "bmV3"))
    assert compared("s", objects, {objects[0].urn: same}).changes == ()
    [change] = compared("s", objects, {objects[0].urn: other}).changes
    assert change.fields == ("data.key",)


@pytest.mark.parametrize("pool", Pool)
def test_the_service_of_users_is_known_from_the_preview(pool):
    shown = service(str(pool))
    shown = {**shown, "metadata": {**shown["metadata"], "name": "web-preview"}}
    objects = deployed.objects(state(service(str(pool)), shown, deployment(HOME[pool], V1)))
    assert [it.serves for it in objects] == [True, False, False]
    assert [it.track for it in objects] == [None, None, HOME[pool]]
