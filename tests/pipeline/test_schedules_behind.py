"""Schedules run on the default branch, whose settings are not those of what staging runs: they must not come there."""

from typing import Any

import pytest
import yaml

from pulumi_slipway.pipeline import drift
from tests.engine.access_stack import kubernetes
from tests.pipeline.harness import Delivery

KINDS = (
    ("/apis/apps/v1", "deployments"), ("/api/v1", "services"), ("/api/v1", "configmaps"),
    ("/apis/policy/v1", "poddisruptionbudgets"),
)  # fmt: skip


def everything(delivery: Delivery) -> dict[str, Any]:
    """The specs and labels of what staging consists of, by kind and name, without what the cluster counts."""
    found: dict[str, Any] = {}
    with kubernetes() as admin:
        for group, kind in KINDS:
            for it in admin.get(f"{group}/namespaces/{delivery.namespace('staging')}/{kind}").json()["items"]:
                metadata = it["metadata"]
                if not metadata.get("deletionTimestamp") and not metadata["name"].startswith("slipway-preview"):
                    held = {key: it[key] for key in ("spec", "data") if key in it}
                    found[f"{kind}/{metadata['name']}"] = held | {"labels": metadata.get("labels")}
    return found


@pytest.fixture(scope="module")
def ahead(delivery: Delivery) -> Delivery:
    """Develop has what main has not: another strategy, more pods, one more workload; staging runs it."""
    delivery.git("checkout", "--quiet", "develop")
    delivery.release()
    delivery.push("develop", "build", "deploy_staging").expect()
    pipeline = (delivery.repository / ".gitlab-ci.yml").read_text()
    stack = yaml.safe_load(delivery.stack_file("staging", replicas=2, strategy={"blueGreen": {"rollbackWindow": "1s"}}))
    workloads = stack["config"]["slipway:workloads"]
    plain = yaml.safe_load(delivery.stack_file("staging", image=delivery.image("staging")))
    workloads["worker"] = plain["config"]["slipway:workloads"]["myapp"]
    text = pipeline.replace("builder: buildah", "builder: buildah\n      workload: myapp")
    delivery.commit("ahead", {"Pulumi.staging.yaml": yaml.safe_dump(stack, sort_keys=False), ".gitlab-ci.yml": text})
    for _ in range(2):
        delivery.release()
        delivery.push("develop", "build", "deploy_staging").expect()
    return delivery


def test_drift_on_main_finds_none_where_develop_is_ahead(ahead: Delivery) -> None:
    found = ahead.schedule("drift", "drift_staging").expect()
    assert "staging: no changes" in found.output
    assert ahead.gitlab("GET", f"issues?labels={drift.LABEL}&state=all") == []


def test_settle_on_main_retires_the_idle_track_and_changes_nothing_else(ahead: Delivery) -> None:
    version, before = ahead.version("staging"), everything(ahead)
    idle = [name for name in ("myapp-blue", "myapp-green") if before[f"deployments/{name}"]["spec"]["replicas"]]
    assert len(idle) == 2, "the old track is warm still"
    found = ahead.schedule("settle", "settle_staging").expect()
    after = everything(ahead)
    gone = set(before) - set(after)
    assert len(gone) == 1, found.output
    assert gone <= {f"deployments/{name}" for name in idle}
    assert after == {key: it for key, it in before.items() if key not in gone}
    assert ahead.version("staging") == version
    assert "nothing to retire" in ahead.schedule("settle", "settle_staging").expect().output
    assert everything(ahead) == after
    ahead.schedule("drift", "drift_staging").expect()


def test_a_release_after_that_and_a_rollback_go_as_before(ahead: Delivery) -> None:
    old = ahead.version("staging")
    ahead.git("checkout", "--quiet", "develop")
    version = ahead.release()
    outcome = ahead.push("develop", "build", "deploy_staging").expect()
    assert ahead.version("staging") == version
    ahead.again(outcome, "rollback_staging").expect()
    assert ahead.version("staging") == old


def test_a_release_that_failed_before_the_switch_is_no_drift_and_leaves_nothing_to_retire(ahead: Delivery) -> None:
    version = ahead.version("staging")
    settings = yaml.safe_load((ahead.repository / "Pulumi.staging.yaml").read_text())
    settings["config"]["slipway:workloads"]["myapp"]["progressDeadline"] = "20s"
    ahead.commit("impatient", {"Pulumi.staging.yaml": yaml.safe_dump(settings, sort_keys=False)})
    ahead.release(CRASH="true")
    assert ahead.push("develop", "build", "deploy_staging").status != 0
    before = everything(ahead)
    ahead.schedule("drift", "drift_staging").expect()
    ahead.schedule("settle", "settle_staging").expect()
    assert everything(ahead) == before
    assert ahead.version("staging") == version
