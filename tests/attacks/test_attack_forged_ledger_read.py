"""A forged record is believed by none of those who read a ledger elsewhere: status, settle, promotion, a new name."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pulumi_slipway.cli.workloads import workloads
from pulumi_slipway.core.keys import PROMOTES, RELEASES
from pulumi_slipway.core.model import Phase, Pool, TrackName
from pulumi_slipway.pipeline import settle
from pulumi_slipway.pipeline.deployed import Deployed
from pulumi_slipway.pipeline.drift import _ledgers
from pulumi_slipway.pipeline.ledgers import records
from pulumi_slipway.release import ledger, manifests
from pulumi_slipway.release.observe import ledger_of, observe
from pulumi_slipway.settings import Environment, Workload
from tests.attacks.test_attack_forged_ledger import EVIL, NOW, SUBJECT, V1, V2, forged, healthy, namespace

FORGED = (*healthy(V1, V2), forged(Phase.HEALTHY, 3))


class Cluster:
    """A namespace, as lightkube gives it."""

    config = SimpleNamespace(cluster=None)

    def __init__(self, found):
        self.found = found

    def get(self, kind, name, *, namespace):
        return SimpleNamespace(to_dict=lambda: self.found[kind.__name__][name])

    def list(self, kind, *, namespace, labels=None):
        for it in self.found[kind.__name__].values():
            if (labels or {}).items() <= it["metadata"]["labels"].items():
                yield SimpleNamespace(to_dict=lambda it=it: it)


@pytest.fixture
def found():
    return {**namespace(FORGED, V2, (V2, V1)), "Service": {"web": manifests.service(SUBJECT, Pool.MAIN)}}


def test_status_does_not_show_it_as_live(found):
    (view,) = workloads({"production": found}, NOW)
    assert view.live.image == V2.image
    assert EVIL.id not in {it.release for it in view.history}


def test_what_status_says_may_be_promoted_is_not_the_forged_one(found):
    taker = manifests.Subject("web", Environment(name="live", promote_from={"environment": "production"}), Workload())
    metadata = taker.metadata(ledger.SUFFIX, {PROMOTES: "production/production/0"})
    there = {"Deployment": {}, "Service": {}, "ConfigMap": {"web-releases": {"metadata": metadata, "data": {}}}}
    views = workloads({"production": found, "live": there}, NOW)
    offered = [it.promotion.image for it in views if it.promotion]
    assert offered == [V2.image]


def test_promotion_and_a_rollback_after_a_failure_do_not_read_it(found):
    assert [it.release for it in records(Cluster(found), "web", "production")] == [V1, V2]


def test_settle_does_not_take_it_for_what_is_live(found):
    found["ConfigMap"]["web-releases"]["data"] = ledger.encode(
        (*healthy(V1, V2), replace(forged(Phase.HEALTHY, 3), kept_until="forever"))
    )
    book = Deployed("urn", {"kind": "ConfigMap", **found["ConfigMap"]["web-releases"]})
    assert settle._observed(Cluster(found), [book], {}, NOW).committed.release == V2


def test_drift_compares_with_no_release_of_it(found):
    live = {"book": found["ConfigMap"]["web-releases"], "web": found["Deployment"]["web"]}
    kinds = {"book": "ConfigMap", "web": "Deployment"}
    objects = [Deployed(urn, {"kind": kinds[urn], **it}) for urn, it in live.items()]
    assert [it.release for it in _ledgers(objects, live)["web"]] == [V1, V2]


def test_a_workload_that_takes_a_new_name_does_not_inherit_it(found):
    renamed = manifests.Subject("shop", SUBJECT.environment, Workload(renamed_from="web"))
    world = observe(found, renamed, NOW)
    assert world.image_before == V2.image


def test_another_workload_of_a_name_that_begins_alike_bears_no_witness(found):
    other = manifests.Subject("web-canary", SUBJECT.environment, Workload())
    made = manifests.deployment(other, TrackName.STABLE, EVIL.pod_template(TrackName.STABLE), 1)
    made["metadata"] |= {"annotations": {RELEASES: EVIL.digest}}
    found["Deployment"]["web-canary"] = made
    assert EVIL not in [it.release for it in ledger_of(found, "web")]
