"""Pipeline schedules: drift is told and taken back, tokens are renewed."""

import os
from pathlib import Path

import pytest

from pulumi_slipway.pipeline import drift
from tests.engine.access_stack import kubernetes, refused_within
from tests.pipeline.harness import Delivery

STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


@pytest.fixture(scope="module")
def live(delivery: Delivery) -> Delivery:
    """Staging at work."""
    delivery.git("checkout", "--quiet", "develop")
    delivery.release()
    delivery.push("develop", "build", "deploy_staging").expect()
    delivery.git("branch", "--force", "main", "develop")
    return delivery


def issues(delivery: Delivery, state: str) -> list[str]:
    """Titles of the drift issues in a state."""
    return [entry["title"] for entry in delivery.gitlab("GET", f"issues?labels={drift.LABEL}&state={state}")]


def test_drift_is_told_in_an_issue_which_closes_when_it_is_gone(live: Delivery) -> None:
    live.schedule("drift", "drift_staging").expect()
    assert issues(live, "opened") == []

    path = f"/apis/apps/v1/namespaces/{live.namespace('staging')}/deployments/myapp"
    with kubernetes() as admin:
        assert admin.patch(path, json={"spec": {"replicas": 3}}, headers=STRATEGIC).status_code == 200
    found = live.schedule("drift", "drift_staging")
    assert "spec.replicas" in found.output
    assert issues(live, "opened") == ["staging differs from what was deployed"]
    live.schedule("drift", "drift_staging")
    assert len(issues(live, "opened")) == 1, "it is told once"
    with kubernetes() as admin:
        assert admin.get(path).json()["spec"]["replicas"] == 3, "looking changes nothing"

    live.push("develop", "build", "deploy_staging").expect()
    live.schedule("drift", "drift_staging").expect()
    assert issues(live, "opened") == []
    assert issues(live, "closed") == ["staging differs from what was deployed"]


def test_a_release_that_failed_and_was_taken_back_is_no_drift(live: Delivery) -> None:
    version = live.version("staging")
    live.git("checkout", "--quiet", "develop")
    live.commit("impatient", {"Pulumi.staging.yaml": live.stack_file("staging", progressDeadline="20s")})
    live.release(CRASH="true")
    assert live.push("develop", "build", "deploy_staging").status != 0
    assert live.version("staging") == version
    live.schedule("drift", "drift_staging").expect()


def test_without_a_token_for_gitlab_drift_fails_the_pipeline(live: Delivery) -> None:
    live.gitlab("DELETE", "variables/SLIPWAY_API_TOKEN")
    path = f"/apis/apps/v1/namespaces/{live.namespace('staging')}/deployments/myapp"
    with kubernetes() as admin:
        assert admin.patch(path, json={"spec": {"replicas": 2}}, headers=STRATEGIC).status_code == 200
    found = live.schedule("drift", "drift_staging")
    # Not by the runner's own exit status: it takes `allow_failure: exit_codes` for leave to fail with any of them.
    assert " FAIL  drift_staging" in found.output
    assert "spec.replicas" in found.output


def test_tokens_that_are_due_are_renewed_and_the_old_ones_die(live: Delivery) -> None:
    run, old = live.access.run, live.access.token("staging")
    values = {
        "KUBECONFIG_FILE": ("file", Path(os.environ["KUBECONFIG"]).read_text()),
        "GITLAB_TOKEN": ("env_var", os.environ["GITLAB_TOKEN"]),
        "PULUMI_BACKEND_URL": ("env_var", run.environ["PULUMI_BACKEND_URL"]),
        "PULUMI_CONFIG_PASSPHRASE": (
            "env_var", Path(run.environ["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text().strip()
        ),
    }  # fmt: skip
    for key, (kind, value) in values.items():
        live.gitlab(
            "POST", "variables", key=key, value=value, variable_type=kind, protected=True, environment_scope="access"
        )
    # Shorter-lived tokens than those in use are due at once, whatever is left of these.
    text = run.stack_file.read_text()
    assert "slipway:access:\n" in text
    text = text.replace("slipway:access:\n", "slipway:access:\n    token: {expiration: 60d, renewBefore: 30d}\n")
    live.git("checkout", "--quiet", "main")
    live.commit("shorter lives", {"Pulumi.access.yaml": text})
    live.schedule("rotate").expect()
    new = live.access.token("staging")
    assert new != old
    with kubernetes(new) as client:
        assert client.get(f"/api/v1/namespaces/{live.namespace('staging')}/pods").status_code == 200
    refused_within(old, 30)
