"""The same app from manifests, a kustomization and a chart, under the strategies, on the real engine and cluster."""

import json
import re
import time

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Secret, Service
from lightkube.resources.policy_v1 import PodDisruptionBudget

from demo.workspace import CHECKOUT
from tests.engine.cluster_view import outcomes, records
from tests.engine.harness import RATE, stack
from tests.engine.strategies import SOAK

EXAMPLES = CHECKOUT / "examples" / "sources"
SOURCES = {
    "manifests": {"manifests": "sources/manifests/*.yaml"},
    "kustomize": {"kustomize": "sources/kustomize/overlays/production"},
    "helm": {"helm": {"chart": "sources/chart", "values": {"replicas": 3}}},
}
SERVICES = {"manifests": "web-svc", "kustomize": "web-svc", "helm": "web"}
STRATEGIES = {
    "rolling": "rolling",
    "blueGreen": "blueGreen",
    "canary": {"canary": {"steps": [{"replicas": 1, "pause": "1s"}]}},
}
ALL = [(source, strategy) for source in SOURCES for strategy in STRATEGIES]


@pytest.fixture
def sources(project):
    """The examples, in the project's directory."""
    (project.directory / "sources").symlink_to(EXAMPLES)
    return project


def web(source, strategy, **settings):
    checks = {"answers": {"http": {"path": "/"}, "interval": "1s"}}
    return {"source": SOURCES[source], "strategy": STRATEGIES[strategy], "checks": checks, **settings}


@pytest.mark.parametrize(("source", "strategy"), ALL if SOAK else [("kustomize", "blueGreen")])
def test_released_and_rolled_back_without_losing_a_request(source, strategy, sources, namespace, images, admin, load):
    sources.configure(stack(namespace, web=web(source, strategy)))
    assert "added to the source's Deployment: preStop" in sources.preview(SLIPWAY_IMAGE=images.v1).expect().output
    sources.up(SLIPWAY_IMAGE=images.v1, CI_COMMIT_SHA="c0ffee").expect()
    assert set(sources.up().expect().changes) == {"same"}
    annotations = admin.get(Service, SERVICES[source], namespace=namespace).metadata.annotations
    assert (annotations["slipway.dev/by-commit"], annotations["slipway.dev/image"]) == ("c0ffee", images.digest("v1"))
    with load(SERVICES[source]) as run:
        sources.up(SLIPWAY_IMAGE=images.v2).expect()
        sources.up(SLIPWAY_ACTION="rollback").expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert set(run.result.versions) == {"v1", "v2"}
    assert run.result.sent_rate >= RATE * 0.9
    assert outcomes(admin, namespace, "web") == ["Healthy"] * 3
    assert set(sources.up().expect().changes) == {"same"}


def test_a_change_of_its_configuration_is_a_release_and_a_rollback_gets_the_old_one(sources, namespace, images, admin):
    own = sources.directory / "own"
    own.mkdir()
    text = (EXAMPLES / "manifests" / "web.yaml").read_text()
    (own / "web.yaml").write_text(text)
    workload = {**web("manifests", "rolling"), "source": {"manifests": "own/web.yaml"}}
    sources.configure(stack(namespace, web=workload)).up(SLIPWAY_IMAGE=images.v1).expect()
    (own / "web.yaml").write_text(text.replace("GREETING: hello", "GREETING: goodbye"))
    shown = sources.preview("--diff").expect()
    assert "goodbye" in shown.output
    sources.up().expect()
    assert greeting(admin, namespace) == "goodbye"
    sources.up(SLIPWAY_ACTION="rollback").expect()
    assert greeting(admin, namespace) == "hello"
    assert outcomes(admin, namespace, "web") == ["Healthy"] * 3
    (own / "web.yaml").write_text(text.replace("GREETING: hello", "GREETING: again"))
    admin.delete(ConfigMap, "web", namespace=namespace)  # by hand
    sources.up().expect()
    assert admin.get(ConfigMap, "web", namespace=namespace).data["GREETING"] == "again"


def greeting(admin, namespace):
    """What the live pods take their environment from."""
    template = admin.get(Deployment, "web", namespace=namespace).spec.template
    name = template.spec.containers[0].envFrom[0].configMapRef.name
    return admin.get(ConfigMap, name, namespace=namespace).data["GREETING"]


def test_a_charts_secret_is_nowhere_in_the_clear_and_its_own_image_values_are_filled(sources, namespace, images, admin):
    values = {"greeting": "planted-value-of-a-chart"}
    workload = web("helm", "rolling")
    workload["source"] = {"helm": {"chart": "sources/chart", "values": values}}
    outcome = sources.configure(stack(namespace, web=workload)).up(SLIPWAY_IMAGE=images.v1).expect()
    containers = admin.get(Deployment, "web", namespace=namespace).spec.template.spec.containers
    assert {it.image for it in containers} == {images.digest("v1")}
    assert admin.get(Secret, containers[1].envFrom[0].secretRef.name, namespace=namespace).immutable
    assert "planted-value" not in outcome.output
    state = json.dumps(sources.state())
    assert "planted-value" not in state
    assert "cGxhbnRlZC12YWx1" not in state


def test_workloads_wait_for_those_they_depend_on_and_a_failed_one_leaves_the_others(project, namespace, images, admin):
    small = {"replicas": 1, "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}, "progressDeadline": "12s"}
    workloads = {"api": small, "web": {**small, "dependsOn": ["api"]}, "other": small}
    workloads["end"] = {**small, "dependsOn": ["web"]}
    project.configure(stack(namespace, **workloads))
    failed = project.up(
        "--continue-on-error",
        SLIPWAY_IMAGE_API=images.crash,
        SLIPWAY_IMAGE_WEB=images.v1,
        SLIPWAY_IMAGE_OTHER=images.v1,
        SLIPWAY_IMAGE_END=images.v1,
    ).expect(1)
    assert re.search(r"error: api: no pod is ready .*; release \w+: did not come up within 12 s", failed.output)
    for other in ("web", "end"):
        assert f"{other}: left as it is, for it depends on api" in failed.output
    assert outcomes(admin, namespace, "other") == ["Healthy"]
    for kind in (Deployment, Service, PodDisruptionBudget):
        assert {it.metadata.name for it in admin.list(kind, namespace=namespace)} <= {"api", "other"}
    assert {it.metadata.name for it in admin.list(Deployment, namespace=namespace)} == {"api", "other"}
    settled = project.up(SLIPWAY_ACTION="settle").expect()
    assert re.search(r"api: Degraded: \w+ is Degraded", settled.output)
    refused = project.up(SLIPWAY_WORKLOADS="web", SLIPWAY_IMAGE_WEB=images.v1).expect(1)
    assert "workload web depends on api, which has no Healthy release" in refused.output
    refused = project.up(SLIPWAY_IMAGE_API=images.v1).expect(1)
    for missing in ("WEB", "END"):
        assert f"set SLIPWAY_IMAGE_{missing} in the job" in refused.output
    del workloads["end"], workloads["other"]
    fewer = stack(namespace, **workloads)
    refused = project.configure(fewer).preview(SLIPWAY_IMAGE_API=images.v1, SLIPWAY_IMAGE_WEB=images.v1).expect(1)
    assert "workload other runs in" in refused.messages[-1]
    assert "put it back, or have it deleted by `slipway:environment: {remove: [other]}`" in refused.messages[-1]
    fewer["slipway:environment"]["remove"] = ["other"]
    shown = project.configure(fewer).preview(SLIPWAY_IMAGE_API=images.v1, SLIPWAY_IMAGE_WEB=images.v1)
    assert "other is in slipway:environment.remove: what this stack has made of it is deleted" in shown.expect().output
    project.up(SLIPWAY_IMAGE_API=images.v1, SLIPWAY_IMAGE_WEB=images.v1).expect()
    assert outcomes(admin, namespace, "web") == ["Healthy"]
    order = [
        name for _, name in project.up(SLIPWAY_IMAGE_API=images.v2, SLIPWAY_IMAGE_WEB=images.v2).expect().operations()
    ]
    assert order.index("api-ledger") < order.index("web-stable")


def test_a_workload_that_was_never_deployed_does_not_stand_in_the_way_of_the_others(project, namespace, images, admin):
    small = {"replicas": 1, "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
    more = {"web": {**small, "dependsOn": ["api"]}, "end": {**small, "image": images.v1}}
    project.configure(stack(namespace, api=small))
    assert set(project.up(SLIPWAY_ACTION="settle").expect().changes) == {"create"}  # of components alone
    refused = project.up(SLIPWAY_ACTION="rollback").expect(1)
    assert "workload api: SLIPWAY_ACTION=rollback: it has not been deployed yet" in refused.output
    for version in (images.v1, images.v2):
        project.up(SLIPWAY_IMAGE_API=version).expect()
    rolled_back = project.configure(stack(namespace, api=small, **more)).up(SLIPWAY_ACTION="rollback").expect()
    for other in more:
        assert f"workload {other}: SLIPWAY_ACTION=rollback: it has not been deployed yet" in rolled_back.output
    assert {it.metadata.name for it in admin.list(Deployment, namespace=namespace)} == {"api"}
    assert records(admin, namespace, "api")[-1].release.image == images.digest("v1")


def test_a_preview_without_the_jobs_variable_takes_its_values_to_be_unchanged(sources, namespace, images):
    """The chart's own Secret is not taken for the workload's."""
    workload = {**web("helm", "rolling"), "secretEnv": {"APP_TOKEN": {"fromEnv": "APP_TOKEN"}}}
    sources.configure(stack(namespace, web=workload)).up(SLIPWAY_IMAGE=images.v1, APP_TOKEN="planted").expect()
    shown = sources.preview("--diff").expect()
    assert set(shown.changes) == {"same"}, shown.output
