"""The article's flow, run by a real runner of pipelines: develop to staging, main to production, and back."""

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from pulumi_slipway.core.model import Phase
from pulumi_slipway.release import ledger
from tests.engine.access_stack import kubernetes
from tests.pipeline.harness import Delivery, Outcome
from tests.receiver import Receiver


@pytest.fixture(scope="module")
def receiver(delivery: Delivery) -> Iterator[Receiver]:
    """Who is told of staging's releases; another one, which is told first, is dead."""
    with Receiver() as gone:
        dead = gone.url
    with Receiver() as made:
        values = {"DEAD_URL": dead, "HOOK_URL": made.url, "HOOK_SECRET": "the-secret-of-the-hook"}
        for name, value in values.items():
            delivery.gitlab("POST", "variables", key=name, value=value, protected=True)
        to = [
            {"to": "slack", "urlFrom": "DEAD_URL"},
            {"to": "webhook", "urlFrom": "HOOK_URL", "secretFrom": "HOOK_SECRET"},
        ]
        delivery.more["staging"] = {"notices": to}
        yield made


@pytest.fixture(scope="module")
def first(delivery: Delivery, receiver: Receiver) -> tuple[str, Outcome]:
    """The first version on develop, and its pipeline."""
    delivery.git("checkout", "--quiet", "develop")
    delivery.commit("Others are told", {"Pulumi.staging.yaml": delivery.stack_file("staging")})
    version = delivery.release()
    return version, delivery.push("develop").expect()


def outcomes(delivery: Delivery, environment: str) -> list[Phase]:
    """What the ledger says of the releases of an environment, oldest first."""
    path = f"/api/v1/namespaces/{delivery.namespace(environment)}/configmaps/{ledger.name('myapp')}"
    with kubernetes() as admin:
        return [record.outcome for record in ledger.decode(admin.get(path).json().get("data"))]


def test_a_push_to_develop_is_built_tested_and_deployed_to_staging(
    delivery: Delivery, first: tuple[str, Outcome]
) -> None:
    version, outcome = first
    assert delivery.version("staging") == version
    assert (outcome.checkout / ".gitlab-ci-local" / "builds" / "test" / "report.xml").exists()
    handed_on = outcome.artifact("build", ".gitlab-ci-reports/dotenv/image.env").read_text()
    assert handed_on == f"SLIPWAY_IMAGE={delivery.image('staging')}\n"
    assert "@sha256:" in delivery.image("staging")
    assert delivery.names("production") == []
    built = outcome.log("build")
    assert "STEP 1" in built
    left = [line for line in built.splitlines() if "> Using cache" in line or "Pushing cache" in line]
    assert left == [], "a protected build takes no layers that a branch may have left"


def events(receiver: Receiver) -> list[dict[str, Any]]:
    """What the receiver was told, signed with the secret of the job's variable."""
    for headers, body in receiver.had:
        content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
        signature = base64.b64encode(hmac.digest(b"the-secret-of-the-hook", content, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{signature}"
    return [json.loads(body)["data"] for _, body in receiver.had]


def test_others_are_told_of_it_and_one_who_is_dead_holds_up_nothing(
    delivery: Delivery, first: tuple[str, Outcome], receiver: Receiver
) -> None:
    [told] = events(receiver)
    assert (told["event"], told["environment"], told["workload"]) == ("healthy", "staging", "myapp")
    assert told["image"] == delivery.image("staging")
    said = first[1].log("deploy_staging")
    assert "notices[0] (slack): not told of release" in said
    assert "secret-path" not in first[1].output


def test_main_waits_for_a_person_and_then_takes_the_very_digest_that_staging_runs(
    delivery: Delivery, first: tuple[str, Outcome]
) -> None:
    delivery.git("checkout", "--quiet", "main")
    delivery.git("merge", "--quiet", "--no-ff", "--message", "Release", "develop")
    outcome = delivery.push("main", "build", "test", "promote").expect()
    assert delivery.names("production") == []
    delivery.again(outcome, "deploy_production").expect()
    assert delivery.image("production") == delivery.image("staging")
    assert delivery.version("production") == first[0]


def test_production_refuses_what_is_not_merged(delivery: Delivery, first: tuple[str, Outcome]) -> None:
    delivery.git("checkout", "--quiet", "-B", "unmerged", "main~1")
    delivery.git("branch", "--force", "main-before", "main")
    delivery.git("branch", "--force", "main", "unmerged")
    outcome = delivery.push("main", "promote")
    delivery.git("branch", "--force", "main", "main-before")
    assert outcome.status != 0
    assert "is not part of what this pipeline deploys" in outcome.output


def test_a_release_that_fails_is_rolled_back_by_itself_and_the_old_version_answers_on(
    delivery: Delivery, first: tuple[str, Outcome], receiver: Receiver
) -> None:
    before = delivery.image("staging")
    delivery.git("checkout", "--quiet", "develop")
    delivery.commit("impatient", {"Pulumi.staging.yaml": delivery.stack_file("staging", progressDeadline="20s")})
    delivery.release(CRASH="true")
    outcome = delivery.push("develop")
    assert outcome.status != 0
    assert "rollback_staging_on_failure" in outcome.output
    assert delivery.version("staging") == first[0]
    assert delivery.image("staging") == before
    assert outcomes(delivery, "staging")[:2] == [Phase.HEALTHY, Phase.DEGRADED]
    assert [it["event"] for it in events(receiver)] == ["healthy", "rolledBack"]


def test_a_job_that_fails_before_it_releases_anything_is_not_rolled_back(
    delivery: Delivery, first: tuple[str, Outcome]
) -> None:
    before, known = delivery.image("staging"), outcomes(delivery, "staging")
    delivery.git("checkout", "--quiet", "develop")
    wrong = delivery.stack_file("staging", replicas="many")
    delivery.release()
    delivery.commit("a mistake in the settings", {"Pulumi.staging.yaml": wrong})
    outcome = delivery.push("develop")
    assert outcome.status != 0
    assert "slipway:workloads.myapp.replicas" in outcome.log("deploy_staging")
    assert delivery.image("staging") == before
    assert outcomes(delivery, "staging") == known
    delivery.commit("mended", {"Pulumi.staging.yaml": delivery.stack_file("staging")})


def test_the_rollback_job_and_an_older_deploy_job_run_again_both_go_back(
    delivery: Delivery, first: tuple[str, Outcome]
) -> None:
    delivery.git("checkout", "--quiet", "develop")
    version = delivery.release()
    outcome = delivery.push("develop").expect()
    assert delivery.version("staging") == version
    delivery.again(outcome, "rollback_staging").expect()
    assert delivery.version("staging") == first[0]
    delivery.again(outcome, "deploy_staging").expect()
    assert delivery.version("staging") == version
    delivery.again(first[1], "deploy_staging").expect()
    assert delivery.version("staging") == first[0]


def test_no_secret_is_in_what_the_jobs_said_or_left(delivery: Delivery, first: tuple[str, Outcome]) -> None:
    secrets = {
        name: variable["value"]
        for name, variable in {
            **delivery.access.variables("staging"), **delivery.access.variables("production"),
        }.items()
        if variable["masked"] and name != "PULUMI_BACKEND_URL"
    }  # fmt: skip
    secrets["registry"] = delivery.registry[2]
    assert len(secrets) >= 5
    for folder in (delivery.directory / "pipelines").glob("*/checkout/.gitlab-ci-local/*"):
        if folder.name not in ("output", "artifacts", "scripts", "expanded-gitlab-ci.yml"):
            continue
        for file in [folder] if folder.is_file() else folder.rglob("*"):
            if file.is_file() and not file.is_symlink():
                text = file.read_bytes()
                for name, value in secrets.items():
                    assert value.encode() not in text, f"{name} in {file}"
