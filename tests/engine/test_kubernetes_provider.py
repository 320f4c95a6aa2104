"""What the program relies on in the kubernetes provider, asserted on the plugin that the engine finds."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap
from tenacity import Retrying, stop_after_delay, wait_fixed

from tests.engine.harness import Outcome, Project

PAUSE = "registry.k8s.io/pause:3.10"
Object = dict[str, Any]


class Raw:
    """A stack of plain objects."""

    def __init__(self, project: Project, namespace: str) -> None:
        self.project, self.namespace = project, namespace
        program = project.directory / "__main__.py"
        program.unlink()
        program.symlink_to(Path(__file__).with_name("raw_program.py"))

    def declare(self, *objects: Object, provider: Object | None = None, **options: Any) -> Project:
        """What the next run declares; each object is named by its kind."""
        entries = [{"name": each["kind"].lower(), "object": self.placed(each), "options": options} for each in objects]
        content = {"provider": provider or {}, "objects": entries}
        (self.project.directory / "objects.json").write_text(json.dumps(content))
        return self.project

    def placed(self, item: Object) -> Object:
        item = copy.deepcopy(item)
        item["metadata"].setdefault("namespace", self.namespace)
        return item


@pytest.fixture
def raw(project: Project, namespace: str) -> Raw:
    return Raw(project, namespace)


def config_map(data: Object | None = None, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it", **metadata}, "data": data or {"a": "1"}}


def deployment(replicas: int = 1, image: str = PAUSE, cpu: str = "10m", skip: bool = False, **labels: str) -> Object:
    security = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "c", "image": image, "resources": {"requests": {"cpu": cpu}}, "securityContext": security}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "it", "annotations": {"pulumi.com/skipAwait": str(skip).lower()}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "it"}},
            "template": {
                "metadata": {"labels": {"app": "it", **labels}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    }


def changed(outcome: Outcome) -> dict[str, str]:
    """Path and kind of each change that the engine shows."""
    found: dict[str, str] = {}
    for event in outcome.events:
        for path, each in (event.get("resourcePreEvent", {}).get("metadata", {}).get("detailedDiff") or {}).items():
            found[path] = each["diffKind"]
    return found


def test_labels_change_in_place_and_data_means_a_replacement(raw: Raw) -> None:
    raw.declare(config_map()).up().expect()
    assert raw.project.up().expect().operations("ConfigMap") == []
    labelled = raw.declare(config_map(labels={"x": "y"})).up().expect()
    assert labelled.operations("ConfigMap") == [("update", "configmap")]
    replaced = raw.declare(config_map({"a": "2"}, labels={"x": "y"})).up().expect()
    assert changed(replaced) == {"data.a": "update-replace"}
    assert {op for op, _ in replaced.operations("ConfigMap")} == {"create-replacement", "delete-replaced", "replace"}


def test_data_changes_in_place_where_the_provider_says_so(raw: Raw) -> None:
    mutable = {"enable_config_map_mutable": True}
    raw.declare(config_map(), provider=mutable).up().expect()
    updated = raw.declare(config_map({"b": "2"}), provider=mutable).up().expect()
    assert changed(updated) == {"data.a": "delete", "data.b": "add"}
    assert updated.operations("ConfigMap") == [("update", "configmap")]


def test_an_existing_object_is_taken_over_so_what_is_not_ours_must_be_refused_before(raw: Raw, admin: Client) -> None:
    admin.create(ConfigMap(metadata=ObjectMeta(name="it", namespace=raw.namespace), data={"z": "0"}))
    raw.declare(config_map()).up().expect()
    assert admin.get(ConfigMap, "it", namespace=raw.namespace).data == {"a": "1", "z": "0"}


def test_a_field_of_another_manager_is_a_conflict_unless_forced(raw: Raw, admin: Client) -> None:
    raw.declare(config_map(labels={"l": "1"})).up().expect()
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it", "labels": {"l": "9"}}}
    admin.patch(ConfigMap, "it", theirs, namespace=raw.namespace, field_manager="someone")
    refused = raw.declare(config_map(labels={"l": "2"})).up().expect(1)
    assert 'conflict with "someone"' in refused.output
    raw.declare(config_map(labels={"l": "2"}, annotations={"pulumi.com/patchForce": "true"})).up().expect()
    live = admin.get(ConfigMap, "it", namespace=raw.namespace)
    assert live.metadata is not None
    assert live.metadata.labels == {"l": "2"}


def test_a_refresh_sees_what_was_changed_and_what_is_gone(raw: Raw, admin: Client) -> None:
    raw.declare(config_map(labels={"l": "1"})).up().expect()
    admin.patch(ConfigMap, "it", {"metadata": {"labels": {"l": "9"}}}, namespace=raw.namespace, field_manager="kubectl")
    assert raw.project.up().expect().operations("ConfigMap") == []  # inputs are compared, not the cluster
    raw.project.refresh().expect()
    assert changed(raw.project.up().expect()) == {"metadata.labels.l": "update"}
    admin.delete(ConfigMap, "it", namespace=raw.namespace)
    raw.project.refresh().expect()
    assert raw.project.up().expect().operations("ConfigMap") == [("create", "configmap")]


def test_an_ignored_template_stays_while_replicas_change(raw: Raw, admin: Client) -> None:
    raw.declare(deployment(skip=True)).up().expect()
    held = raw.declare(deployment(replicas=2, skip=True, version="2"), ignore=["spec.template"]).up().expect()
    assert changed(held) == {"spec.replicas": "update"}
    live = admin.get(Deployment, "it", namespace=raw.namespace)
    assert live.spec is not None
    assert live.spec.template.metadata is not None
    assert (live.spec.replicas, live.spec.template.metadata.labels) == (2, {"app": "it"})


def test_a_deployment_is_awaited_and_one_that_never_gets_ready_says_why(raw: Raw) -> None:
    raw.declare(deployment()).up().expect()
    same = raw.declare(deployment(cpu="0.01")).up().expect()
    assert same.operations("Deployment") == []  # another spelling of 10m
    failed = raw.declare(deployment(image="10.89.0.1:1/none:1"), timeout="5s").up().expect(1)
    assert "'it' timed out waiting to be Ready" in failed.output
    assert "10.89.0.1:1/none:1" in failed.output
    raw.declare(deployment()).up().expect()


def test_a_changed_selector_replaces_a_deployment_delete_first(raw: Raw) -> None:
    raw.declare(deployment()).up().expect()
    other = deployment()
    other["spec"]["selector"]["matchLabels"] = other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    outcome = raw.declare(other).up().expect()
    assert changed(outcome)["spec.selector.matchLabels.app"] == "update-replace"
    operations = [op for op, _ in outcome.operations("Deployment")]
    assert operations.index("delete-replaced") < operations.index("create-replacement")


def test_a_secret_is_in_the_cluster_and_nowhere_in_the_clear(raw: Raw) -> None:
    planted = "correct-horse-battery"
    item = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "it"},
        "stringData": {"key": {"$secret": planted}},
    }
    raw.declare(item, config_map({"plain": "1", "hidden": {"$secret": planted}})).up().expect()
    raw.project.refresh().expect()
    outcome = raw.project.preview("--diff").expect()
    assert planted not in outcome.output
    assert [path for path, content in raw.project.written() if planted.encode() in content] == []


def test_a_preview_in_a_namespace_that_is_not_there_yet_shows_everything_as_new(raw: Raw) -> None:
    fresh = f"{raw.namespace}-new"
    outcome = raw.declare(config_map(namespace=fresh), deployment(skip=True)).preview().expect()
    assert outcome.changes["create"] >= 3


def test_a_cluster_out_of_reach_lets_a_preview_pass_and_stops_an_update_with_a_reason(raw: Raw) -> None:
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    away = {"kubeconfig": json.dumps(config)}
    raw.declare(config_map(), provider=away).preview().expect()
    refused = raw.declare(config_map(), provider=away).up().expect(1)
    assert "configured Kubernetes cluster is unreachable" in refused.output


@pytest.mark.parametrize("engine_only", [True, False])
def test_the_next_run_converges_after_a_killed_one(raw: Raw, admin: Client, engine_only: bool) -> None:
    running = raw.declare(deployment(image="10.89.0.1:1/none:1")).up_async()
    for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.2), reraise=True):
        with attempt:
            try:
                admin.get(Deployment, "it", namespace=raw.namespace)
            except ApiError:
                assert not running.ended
                raise
    running.kill(engine_only=engine_only)
    raw.project.cancel().expect()
    # Each create has a field manager of its own: with other values the next one must be allowed to win.
    wins = deployment()
    wins["metadata"]["annotations"]["pulumi.com/patchForce"] = "true"
    raw.declare(wins).up().expect()
