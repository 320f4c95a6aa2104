"""Review environments: they appear with a push, answer, are stopped, are swept; whatever the branch is called."""

import base64
import json
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_slipway.pipeline import names
from tests.engine.access_stack import kubernetes
from tests.pipeline.harness import Delivery

SOAK = os.environ.get("SLIPWAY_SOAK") == "1"
LONG = "feature/" + "x" * 192
ALIKE = ["fix/a-b", "fix/a_b"]
BRANCHES = [LONG, "größe-🚀--x", *ALIKE, *(["9", "UPPER", "名前", "a--b", "v" * 200] if SOAK else [])]


def stacks(delivery: Delivery) -> list[str]:
    """The stacks that the review backend holds."""
    environ = delivery.access.run.environ | {"PULUMI_BACKEND_URL": f"file://{delivery.states['review']}"}
    listed = subprocess.run(
        ["pulumi", "stack", "ls", "--all", "--json"], cwd=delivery.access.run.directory, env=environ,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(entry["name"].rpartition("/")[2] for entry in json.loads(listed.stdout))


def workload(branch: str) -> str:
    """The sample app's name in the environment of a branch."""
    return f"myapp-{names.slug(branch)}"


@pytest.fixture(scope="module")
def pushed(delivery: Delivery) -> dict[str, str]:
    """Branches with the version that each of their environments has to answer with."""
    versions = {}
    for branch in BRANCHES:
        delivery.branch(branch)
        versions[branch] = delivery.release()
        number = delivery.merge_request(branch)
        built = delivery.request(branch, number, "build", "review").expect().log("build")
        assert "Pushing cache" in built, "a branch's build may take what branches have left"
    return versions


def test_each_branch_has_an_environment_of_its_own_that_answers(delivery: Delivery, pushed: dict[str, str]) -> None:
    assert stacks(delivery) == sorted(map(names.stack, BRANCHES))
    for branch, version in pushed.items():
        assert delivery.version("review", workload(branch)) == version, branch


def test_the_report_of_the_release_is_an_artifact(delivery: Delivery, pushed: dict[str, str]) -> None:
    reports = (delivery.directory / "pipelines").glob(
        "*/checkout/.gitlab-ci-local/artifacts/review/slipway-report/*.html"
    )
    assert {report.name for report in reports} == {
        f"{names.stack(branch)}-{workload(branch)}.html" for branch in BRANCHES
    }


def test_one_quota_holds_them_all(delivery: Delivery, pushed: dict[str, str]) -> None:
    with kubernetes() as admin:
        path = f"/api/v1/namespaces/{delivery.namespace('review')}/resourcequotas"
        [quota] = admin.get(path).json()["items"]
    assert quota["status"]["hard"]["pods"] == "8"
    assert int(quota["status"]["used"]["pods"]) >= len(BRANCHES)


def test_a_job_of_a_branch_gets_no_other_environments_token(delivery: Delivery, pushed: dict[str, str]) -> None:
    stored = delivery.access.variables("review/*")
    assert not stored["KUBE_TOKEN"]["protected"]
    with kubernetes(stored["KUBE_TOKEN"]["value"]) as branch:
        for environment in ("staging", "production"):
            space = delivery.namespace(environment)
            assert branch.get(f"/api/v1/namespaces/{space}/pods").status_code == 403
            assert branch.get(f"/api/v1/namespaces/{space}/secrets").status_code == 403


def test_stopping_one_takes_it_away_and_leaves_the_others(delivery: Delivery, pushed: dict[str, str]) -> None:
    branch = ALIKE[0]
    delivery.git("checkout", "--quiet", branch)
    delivery.commit("broken", {"Pulumi.review.yaml": "config: {\n"})
    delivery.request(branch, 3, "stop_review").expect()
    assert workload(branch) not in delivery.names("review")
    assert names.stack(branch) not in stacks(delivery)
    assert delivery.version("review", workload(ALIKE[1])) == pushed[ALIKE[1]]
    again = delivery.request(branch, 3, "stop_review").expect()
    assert "nothing to stop" in again.output


class Planted:
    """A dynamic provider, as a branch can write it into its state: whoever unpickles it runs what it says."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def plant(delivery: Delivery, stack: str) -> Path:
    """A resource in the stack's state whose deletion would make the file."""
    made = delivery.directory / "run-by-the-sweep"
    [state] = (delivery.states["review"] / ".pulumi" / "stacks").rglob(f"{stack}.json")
    whole = json.loads(state.read_text())
    held = whole["checkpoint"]["latest"]["resources"]
    type_ = "pulumi-python:dynamic:Resource"
    urn = held[0]["urn"].replace("pulumi:pulumi:Stack", type_)
    inputs = {"__provider": base64.b64encode(pickle.dumps(Planted(made))).decode()}
    held.append({"urn": urn, "custom": True, "id": "x", "type": type_, "inputs": inputs, "outputs": inputs})
    state.write_text(json.dumps(whole))
    return made


def test_the_sweep_takes_what_on_stop_never_got_to_and_runs_nothing_of_it(
    delivery: Delivery, pushed: dict[str, str]
) -> None:
    merged = LONG
    [request] = [r for r in delivery.gitlab("GET", "merge_requests") if r["source_branch"] == merged]
    delivery.gitlab("PUT", f"merge_requests/{request['iid']}", state_event="close")
    delivery.gitlab("POST", "environments", name=names.environment(merged, request["iid"]))
    delivery.gitlab("POST", "environments", name=f"review/{ALIKE[1]}")
    delivery.git("checkout", "--quiet", "main")
    planted = plant(delivery, names.stack(merged))
    delivery.schedule("sweep").expect()
    assert not planted.exists()
    assert names.stack(merged) not in stacks(delivery)
    assert delivery.names("review") == sorted(map(workload, [BRANCHES[1], ALIKE[1]]))
    states = {e["name"]: e["state"] for e in delivery.gitlab("GET", "environments?search=review/")}
    assert states[f"review/{merged}"] == "stopped"
    assert states[f"review/{ALIKE[1]}"] == "available"
