"""A stack that an earlier version deployed goes on with this one: nothing is replaced, no pod is restarted."""

import json
import os
import re
from functools import partial

import pytest
from lightkube import Client, codecs
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace
from tenacity import Retrying, stop_after_delay, wait_fixed

from demo.workspace import CHECKOUT
from pulumi_slipway.core.model import Release
from pulumi_slipway.release import ledger
from tests.engine.cluster_view import outcomes, pods
from tests.engine.harness import Project
from tests.engine.strategies import soak

DATA = CHECKOUT / "tests" / "data" / "first-layout"
NAMESPACE = "recorded"
KUBECONFIG = "/var/lib/slipway/dev/admin.kubeconfig"
"""Of the sandbox in which it was recorded; the provider's state tells it."""
WORKLOADS = ("api", "shop", "web")
KEY = {"THE_KEY": "a key of a test"}
GONE = {"api", "shop", "web", "default"}
"""Components that are no resource any more, and the engine's own provider of a question that this run does not ask."""
NEW = ("create", "staging-allowDestroy")
"""A component that versions since then have."""
patiently = partial(Retrying, stop=stop_after_delay(60), wait=wait_fixed(0.2), reraise=True)


def of_these_images(images):
    """What makes the recorded text speak of this sandbox's images: their digests, and the releases' ids with them."""
    objects = json.loads((DATA / "objects.json").read_text())
    ledgers = [it for it in objects if it["kind"] == "ConfigMap" and it["metadata"]["name"].endswith("-releases")]
    releases = [record.release for it in ledgers for record in ledger.decode(it["data"])]
    recorded = sorted({it.image for it in releases}, key=[it.image for it in releases].index)
    digests = dict(zip(recorded, (images.digest("v1"), images.digest("v2")), strict=True))

    def current(text):
        text = text.replace(KUBECONFIG, os.environ["KUBECONFIG"])
        for old, new in digests.items():
            text = text.replace(old, new)
        return text

    ids = {it.id: Release(current(it.template)).id for it in releases}

    def translate(text):
        text = current(text)
        for old, new in ids.items():
            text = text.replace(old, new)
        return text

    return translate


@pytest.fixture
def recorded(sandbox, admin: Client, pull, images, tmp_path):
    """The recorded stack, in the cluster and in a state."""
    for attempt in patiently():
        with attempt:
            admin.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
    pull(NAMESPACE)
    translate = of_these_images(images)
    for item in json.loads(translate((DATA / "objects.json").read_text())):
        admin.create(codecs.from_dict(item))
    for attempt in patiently():
        with attempt:
            for it in admin.list(Deployment, namespace=NAMESPACE):
                assert (it.status and it.status.availableReplicas) == it.spec.replicas, it.metadata.name
    project = Project(tmp_path)
    # The default was 3s then: docs/upgrade.md says how pods are left as they are.
    settings = re.sub(r"^( +)progressDeadline:", r"\1preStop: 3s\n\g<0>", (DATA / "stack.yaml").read_text(), flags=re.M)
    project.stack_file.write_text(settings)
    state = tmp_path / "state.json"
    state.write_text(translate((DATA / "state.json").read_text()))
    project.pulumi("stack", "import", "--stack", "staging", "--file", str(state)).expect()
    yield project
    admin.delete(Namespace, NAMESPACE)


def test_a_stack_of_the_first_layout_goes_over_with_nothing_replaced_and_no_pod_restarted(recorded, admin, images):
    before = {name: pods(admin, NAMESPACE, name) for name in WORKLOADS}
    shown = recorded.preview(**KEY).expect()
    assert set(shown.operations()) <= {*(("delete", name) for name in GONE), NEW}, shown.output
    recorded.up(**KEY).expect()
    assert {name: pods(admin, NAMESPACE, name) for name in WORKLOADS} == before
    assert recorded.up(**KEY).expect().changes == {"same": 26}
    assert recorded.outputs()["workloads"]["api"]["phase"] == "Paused"
    recorded.up(SLIPWAY_ACTION="promote", SLIPWAY_WORKLOADS="api", **KEY).expect()
    recorded.up(SLIPWAY_ACTION="rollback", SLIPWAY_WORKLOADS="shop", **KEY).expect()
    assert pods(admin, NAMESPACE, "shop") == before["shop"], "the rollback in the window is a switch"
    assert outcomes(admin, NAMESPACE, "api")[-1] == outcomes(admin, NAMESPACE, "shop")[-1] == "Healthy"


@soak
def test_a_release_by_the_first_run_of_this_version_takes_the_recorded_objects_along(recorded, admin, images):
    names = {f"SLIPWAY_IMAGE_{name.upper()}": images.v3 for name in WORKLOADS}
    released = recorded.up(**names, **KEY).expect()
    assert {op for op, _ in released.operations("Deployment")} <= {"update", "create"}
    assert outcomes(admin, NAMESPACE, "web")[-1] == outcomes(admin, NAMESPACE, "shop")[-1] == "Healthy"
    assert not {name for op, name in released.operations() if op.startswith(("delete", "replace"))} - GONE
