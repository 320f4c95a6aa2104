"""No job releases what its commit is not about: hotfixes, jobs of old pipelines, rollbacks, squashed merges."""

import shutil
from pathlib import Path

import httpx2
import pytest

from pulumi_slipway.core.model import Record
from pulumi_slipway.release import ledger
from tests.pipeline.harness import Delivery, Outcome

UNTIL_PROMOTED = ("build", "test", "promote")


def records(delivery: Delivery, environment: str) -> list[Record]:
    """The ledger of an environment, oldest first."""
    found = delivery.object(environment, f"v1/configmaps/{ledger.name('myapp')}")
    return [*ledger.decode((found or {}).get("data"))]


def replicas(delivery: Delivery, environment: str) -> int:
    """How many pods the environment's Deployment asks for."""
    found = delivery.object(environment, "apps/v1/deployments/myapp")
    assert found
    return int(found["spec"]["replicas"])


def merged(delivery: Delivery, *flags: str) -> None:
    """Develop goes into main, which is checked out then."""
    delivery.git("checkout", "--quiet", "main")
    delivery.git("merge", "--quiet", *(flags or ("--no-ff", "--message", "Release")), "develop")


@pytest.fixture(scope="module")
def released(delivery: Delivery) -> tuple[str, Outcome]:
    """The first version, in staging and in production; its pipeline on develop."""
    delivery.git("checkout", "--quiet", "develop")
    version = delivery.release()
    first = delivery.push("develop", "build", "test", "deploy_staging").expect()
    merged(delivery)
    settings = {"Pulumi.production.yaml": delivery.stack_file("production", replicas=2)}
    delivery.commit("two in production", settings)
    outcome = delivery.push("main", *UNTIL_PROMOTED).expect()
    delivery.again(outcome, "deploy_production").expect()
    assert delivery.version("production") == version, "the settings of production are in no image"
    return version, first


def test_a_hotfix_that_staging_does_not_run_is_not_promoted(delivery: Delivery, released: tuple[str, Outcome]) -> None:
    delivery.release()
    outcome = delivery.push("main", *UNTIL_PROMOTED)
    assert outcome.status != 0
    assert "which lacks what this pipeline's commit" in outcome.log("promote")
    assert "(app/Dockerfile)" in outcome.log("promote")
    assert delivery.again(outcome, "deploy_production").status != 0, "nor does its deployment go on without"
    assert delivery.version("production") == released[0]


def test_unless_a_person_names_its_image_and_the_ledger_says_so(
    delivery: Delivery, released: tuple[str, Outcome]
) -> None:
    version = delivery.release()
    built = delivery.push("main", "build").expect()
    _, _, image = built.artifact("build", ".gitlab-ci-reports/dotenv/image.env").read_text().strip().partition("=")
    outcome = delivery.push("main", "promote", SLIPWAY_IMAGE=image).expect()
    delivery.again(outcome, "deploy_production").expect()
    assert delivery.version("production") == version
    last = [record.provenance["promoted"] for record in records(delivery, "production")]
    assert last == ["staging", "no"]


def test_a_squashed_merge_is_promoted(delivery: Delivery, released: tuple[str, Outcome]) -> None:
    delivery.git("checkout", "--quiet", "develop")
    delivery.git("merge", "--quiet", "--no-ff", "--message", "Back", "main")
    version = delivery.release()
    delivery.push("develop", "build", "test", "deploy_staging").expect()
    merged(delivery, "--squash")
    delivery.commit("Release, squashed")
    outcome = delivery.push("main", "promote").expect()
    delivery.again(outcome, "deploy_production").expect()
    assert delivery.version("production") == version


def tags(delivery: Delivery) -> dict[str, str]:
    """The tags of the project's images in the registry, and the digest that each has."""
    server, user, password = delivery.registry
    kinds = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
    base, headers = f"https://{server}/v2/{delivery.path.lower()}", {"Accept": ", ".join(kinds)}
    with httpx2.Client(auth=(user, password), headers=headers) as registry:
        names = registry.get(f"{base}/tags/list").json()["tags"]
        return {it: registry.head(f"{base}/manifests/{it}").headers["docker-content-digest"] for it in names}


def test_a_commit_that_is_built_twice_leaves_no_image_untagged(
    delivery: Delivery, released: tuple[str, Outcome], tmp_path: Path
) -> None:
    delivery.git("checkout", "--quiet", "develop")
    delivery.release()
    outcome = delivery.push("develop", "build", "test", "deploy_staging").expect()
    digest, commit = delivery.image("staging").partition("@")[2], delivery.git("rev-parse", "HEAD")
    assert tags(delivery)[commit] == digest
    cold = tmp_path / "storage.conf"  # another runner, which has no layer of it, nor has the registry
    cold.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n')
    cache = f"{delivery.registry[0]}/{delivery.path.lower()}/cold"
    delivery.again(outcome, "build", CONTAINERS_STORAGE_CONF=str(cold), LAYERS=cache).expect()
    found = tags(delivery)
    assert found[commit] != digest, "else this shows nothing"
    assert digest in found.values()


def test_an_old_deploy_job_whose_image_is_gone_fails_and_a_named_release_goes_back_without_one(
    delivery: Delivery, released: tuple[str, Outcome]
) -> None:
    version, first = released
    newer = delivery.version("staging")
    for kept in ("artifacts/build", "builds/build/image.env", "builds/deploy_staging/.gitlab-ci-reports"):
        path = first.checkout / ".gitlab-ci-local" / kept
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    outcome = delivery.again(first, "deploy_staging")
    assert outcome.status != 0
    assert "no image was handed on to this job (SLIPWAY_IMAGE_MYAPP is not set)" in outcome.output
    assert delivery.version("staging") == newer != version
    oldest = records(delivery, "staging")[0].release.id
    refused = delivery.again(first, "rollback_staging", SLIPWAY_RELEASE="0123456789")
    assert " WARN  rollback_staging" in refused.output, "the job may fail"
    newest = records(delivery, "staging")[-1].release.id
    assert f"0123456789 is no Healthy release of its ledger, the newest first: {newest}" in refused.output
    gone = delivery.again(first, "rollback_staging", SLIPWAY_RELEASE=oldest).expect()
    assert " PASS  rollback_staging" in gone.output
    assert "no run ended well" not in gone.output, "the refused one before it does not count"
    assert delivery.version("staging") == version


def test_a_rollback_from_a_pipeline_that_never_deployed_takes_none_of_its_settings(
    delivery: Delivery, released: tuple[str, Outcome]
) -> None:
    before = records(delivery, "production")[-2].release
    assert replicas(delivery, "production") == 2
    delivery.git("checkout", "--quiet", "main")
    settings = delivery.stack_file("production", replicas=1, env={"MODE": "new"}, disruptionBudget=False)
    delivery.commit("not deployed yet", {"Pulumi.production.yaml": settings})
    outcome = delivery.push("main", "rollback_production").expect()
    assert " PASS  rollback_production" in outcome.output
    last = records(delivery, "production")[-1]
    assert last.release == before
    assert replicas(delivery, "production") == 2
    assert delivery.object("production", "policy/v1/poddisruptionbudgets/myapp")
    said = outcome.log("rollback_production")
    assert "the settings are those of the last deployment, not this commit's: " in said
    assert "slipway:workloads.myapp.replicas" in said
