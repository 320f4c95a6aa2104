"""What a merge request gets: a preview, as note and as report; and what it does not get, whatever its author tries."""

import json
import os
import re
from typing import Any

import pytest

from pulumi_slipway.pipeline import note
from pulumi_slipway.version import VERSION
from tests.engine.access_stack import kubernetes
from tests.pipeline.harness import COMPONENTS, Delivery, Outcome

PLANTED = "planted-in-production-8d1f"
SECRET_ENV = {"secretEnv": {"DATABASE_URL": {"fromEnv": "DATABASE_URL"}}}

STEAL = """
  - component: $CI_SERVER_FQDN/<COMPONENTS>/kube-setup@<VERSION>

steal:
  stage: build
  environment:
    name: production
  script:
    - env | sort > loot.txt
    - cat "$KUBECONFIG_PREVIEW_FILE" >> loot.txt
    - |
      for file in /proc/self/environ "${KUBECONFIG_FILE:-/nonexistent}" Pulumi.*.yaml; do
        cat "$file" >> loot.txt || true
      done
    - |
      (pulumi stack ls --all; pulumi stack export --stack production --show-secrets) >> loot.txt 2>&1 || true
    - |
      export KUBECONFIG="$KUBECONFIG_PREVIEW_FILE"
      {
        kubectl get secrets -o yaml
        kubectl get configmaps -o yaml
        kubectl get deployments -o yaml
        kubectl get secrets --all-namespaces -o yaml
        kubectl create configmap stolen --from-literal=a=b
        kubectl set image deployment/myapp myapp=evil:1
        kubectl delete deployment/myapp
        kubectl scale deployment/myapp --replicas=0
        kubectl create token gitlab-deploy
        kubectl exec deploy/myapp -- env
      } > kubectl.txt 2>&1 || true
      cat kubectl.txt >> loot.txt
    - |
      kubectl get configmap slipway-preview-production -o jsonpath='{.binaryData.state\\.json\\.gz}' \\
        | base64 -d | gunzip >> loot.txt
  artifacts:
    paths: [loot.txt, kubectl.txt]
"""


def steals(ci: str) -> str:
    """The pipeline's file as an attacker's branch has it."""
    planted = STEAL.replace("<COMPONENTS>", COMPONENTS).replace("<VERSION>", VERSION)
    include, jobs = planted.strip("\n").split("\n\n", 1)
    return ci.replace("include:\n", f"include:\n{include}\n") + f"\n{jobs}\n"


@pytest.fixture(scope="module")
def live(delivery: Delivery) -> Delivery:
    """Staging and production at work; production's app with a secret in its environment."""
    project = delivery.gitlab
    project(
        "POST", "variables", key="DATABASE_URL", value=PLANTED, masked=True, protected=True,
        environment_scope="production",
    )  # fmt: skip
    delivery.git("checkout", "--quiet", "develop")
    delivery.commit("secret", {"Pulumi.production.yaml": delivery.stack_file("production", **SECRET_ENV)})
    delivery.push("develop", "build", "deploy_staging").expect()
    delivery.git("branch", "--force", "main", "develop")
    outcome = delivery.push("main", "promote").expect()
    delivery.again(outcome, "deploy_production").expect()
    return delivery


@pytest.fixture(scope="module")
def requested(live: Delivery) -> tuple[int, Outcome]:
    """A merge request that scales production, and its first pipeline's previews."""
    live.branch("feature/more")
    live.release()
    more = live.stack_file("production", replicas=3, **SECRET_ENV)
    live.commit("three of them", {"Pulumi.production.yaml": more})
    number = live.merge_request("feature/more")
    return number, previews(live, "feature/more", number)


def previews(delivery: Delivery, branch: str, number: int) -> Outcome:
    """The pipeline of the merge request as far as its previews; review environments have tests of their own."""
    return delivery.request(
        branch, number, "build", "preview_staging", "preview_production", "preview_note",
        CI_PIPELINE_URL="https://gitlab.example.com/p/1",
    )  # fmt: skip


def notes(delivery: Delivery, number: int) -> list[dict[str, Any]]:
    """The merge request's notes, oldest first."""
    return list(delivery.gitlab("GET", f"merge_requests/{number}/notes?sort=asc"))


def test_a_merge_request_gets_one_note_and_a_report_of_each_stack(
    live: Delivery, requested: tuple[int, Outcome]
) -> None:
    number, outcome = requested
    outcome.expect()
    [written] = notes(live, number)
    assert written["body"].startswith(note.MARK)
    assert written["author"]["name"] == "reporter" or written["author"]["username"].startswith("project_")
    assert "spec.replicas: 1 → 3" in written["body"]
    assert re.search(r"myapp-stable.*\[0\]\.image: \S+ → \S+", written["body"])
    report = json.loads(outcome.artifact("preview_production", "slipway-preview/production.report.json").read_text())
    assert set(report) == {"create", "update", "delete"}
    assert report["update"] >= 1
    assert report["delete"] == 0
    assert PLANTED not in written["body"]


def test_the_preview_compares_with_what_production_was_last_given(
    live: Delivery, requested: tuple[int, Outcome]
) -> None:
    body = notes(live, requested[0])[0]["body"]
    production = body[body.index("**production**") : body.index("**staging**")]
    assert "to create" not in production.splitlines()[0] or "1 to create" in production.splitlines()[0]
    assert "myapp-service" not in production
    assert "myapp-env" not in production


def test_a_second_push_updates_the_note(live: Delivery, requested: tuple[int, Outcome]) -> None:
    number, _ = requested
    [before] = notes(live, number)
    live.git("checkout", "--quiet", "feature/more")
    live.commit("two will do", {"Pulumi.production.yaml": live.stack_file("production", replicas=2, **SECRET_ENV)})
    previews(live, "feature/more", number).expect()
    [after] = notes(live, number)
    assert after["id"] == before["id"]
    assert "spec.replicas: 1 → 2" in after["body"]


def test_previews_change_nothing(live: Delivery, requested: tuple[int, Outcome]) -> None:
    assert live.names("production") == ["myapp"]
    path = f"/apis/apps/v1/namespaces/{live.namespace('production')}/deployments/myapp"
    with kubernetes() as admin:
        assert admin.get(path).json()["spec"]["replicas"] == 1


def test_a_release_merge_request_gets_its_note_from_the_pipeline_of_its_branch(live: Delivery) -> None:
    number = live.merge_request("develop", target="main")
    live.git("checkout", "--quiet", "develop")
    live.commit("two", {"Pulumi.production.yaml": live.stack_file("production", replicas=2, **SECRET_ENV)})
    jobs = ("preview_staging", "preview_production", "preview_note")
    live.push("develop", *jobs, CI_OPEN_MERGE_REQUESTS=f"{live.path}!{number}").expect()
    [written] = notes(live, number)
    assert "spec.replicas: 1 → 2" in written["body"]


def test_a_merge_request_that_takes_all_it_can_gets_nothing_of_production(live: Delivery) -> None:
    live.branch("feature/thief")
    live.commit("innocent", {".gitlab-ci.yml": steals((live.repository / ".gitlab-ci.yml").read_text())})
    number = live.merge_request("feature/thief")
    before = live.image("production")
    outcome = live.request("feature/thief", number, "steal")
    loot = outcome.artifact("steal", "loot.txt").read_text()
    said = outcome.artifact("steal", "kubectl.txt").read_text()

    stored = live.access.variables("production")
    deploy = stored["KUBE_TOKEN"]["value"]
    hidden = {
        "deploy token": deploy, "deploy kubeconfig": stored["KUBECONFIG_FILE"]["value"],
        "passphrase": live.passphrases["production"], "state": str(live.states["production"]), "secret": PLANTED,
        "staging's token": live.access.token("staging"), "staging's passphrase": live.passphrases["staging"],
        "administrator's GitLab token": os.environ["GITLAB_TOKEN"],
    }  # fmt: skip
    assert stored["KUBE_PREVIEW_TOKEN"]["value"] in loot, "it has looked where it could"
    for what, value in hidden.items():
        assert value not in loot, what
        assert value not in outcome.output, what

    assert said.count("Forbidden") + said.count("forbidden") >= 7, said
    assert live.image("production") == before
    assert "stolen" not in live.names("production", "configmaps")
    assert '"plaintext": "\\"withheld\\""' in loot, "the state that it can reach has the secrets taken out"


def test_the_token_that_a_merge_request_holds_may_write_notes_and_read_no_variable(live: Delivery) -> None:
    import httpx2  # noqa: PLC0415

    from tests.engine.access_stack import API  # noqa: PLC0415

    token = live.gitlab("GET", "variables/SLIPWAY_NOTE_TOKEN")["value"]
    project = f"{API}projects/{live.access.project['id']}"
    with httpx2.Client(headers={"PRIVATE-TOKEN": token}) as client:
        assert client.get(f"{project}/merge_requests").status_code == 200
        for method, path in (
            ("GET", "variables"), ("GET", "variables/KUBE_TOKEN?filter[environment_scope]=production"),
            ("POST", "variables"), ("DELETE", "protected_branches/main"),
        ):  # fmt: skip
            body = {"key": "X", "value": "12345678", "name": "x", "scopes": ["api"], "expires_at": "2027-01-01"}
            sent = body if method == "POST" else None
            assert client.request(method, f"{project}/{path}", json=sent).status_code in (401, 403, 404), path
