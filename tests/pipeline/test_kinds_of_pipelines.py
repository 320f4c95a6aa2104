"""Which jobs each kind of pipeline has, as the runner reads the rules: no deployment but from what may deploy."""

import subprocess
from pathlib import Path

import pytest

from sandbox import runner
from tests.unit.templates import ROOT

MERGE_REQUEST = {
    "CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "5", "CI_COMMIT_BRANCH": None,
    "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "group/app", "CI_MERGE_REQUEST_PROJECT_PATH": "group/app",
}  # fmt: skip
FORK = MERGE_REQUEST | {"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "someone/app"}
PROTECTED = {"CI_COMMIT_REF_PROTECTED": "true"}
OPEN = {"CI_OPEN_MERGE_REQUESTS": "group/app!5"}
PREVIEWS = {"preview_staging", "preview_production", "preview_note"}
REVIEW = {"review", "stop_review"}
STAGING = {"deploy_staging", "rollback_staging", "rollback_staging_on_failure"}
PRODUCTION = {"promote", "deploy_production", "rollback_production", "rollback_production_on_failure"}
TAG = {"CI_COMMIT_BRANCH": None, "CI_COMMIT_TAG": "v9.9"}
SLASH = {"staging-branch": "release/next"}


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """The jobs of a pipeline on a branch, with these variables and inputs (None: GitLab does not set it)."""
    if not runner.command().exists():
        pytest.fail("these tests need the runner: python -m sandbox.runner", pytrace=False)
    root = Path(tmp_path_factory.mktemp("kinds"))

    def git(*arguments):
        identity = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main")
    git("remote", "add", "origin", "https://gitlab.example.com/group/app.git")
    for folder in ("templates", "ci"):
        (root / folder).mkdir()
        for file in (ROOT / folder).glob("*.yml"):
            (root / folder / file.name).write_text(file.read_text())
    git("add", "--all")
    git("commit", "--quiet", "--message", "one")
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    git("remote", "set-head", "origin", "main")

    def listed(branch, variables, inputs=None):
        given = "".join(f"      {name}: {value}\n" for name, value in (inputs or {}).items())
        text = "include:\n  - local: /templates/delivery.yml\n" + (f"    inputs:\n{given}" if given else "")
        (root / ".gitlab-ci.yml").write_text(text)
        git("checkout", "--quiet", "-B", branch)
        known = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_REF_PROTECTED": "false", **variables}
        flags = [f"--variable={k}={v}" if v is not None else f"--unset-variable={k}" for k, v in known.items()]
        command = [runner.command(), "--no-color", "--no-json-schema-validation", "--home", root / "home", "--list-csv"]
        done = subprocess.run(
            [*command, *flags], cwd=root, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return {line.split(";")[0] for line in done.stdout.splitlines() if ";" in line} - {"name"}

    return listed


CASES = [
    ("feature/l", {}, {}, REVIEW),
    ("feature/l", {}, {"review": "false"}, set()),
    ("feature/l", MERGE_REQUEST, {}, REVIEW | PREVIEWS),
    ("feature/l", MERGE_REQUEST, {"review": "false"}, PREVIEWS),
    ("feature/l", MERGE_REQUEST | {"CI_PIPELINE_SOURCE": "parent_pipeline"}, {}, REVIEW | PREVIEWS),
    ("feature/l", MERGE_REQUEST | {"CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"}, {}, REVIEW | PREVIEWS),
    ("feature/l", FORK, {}, set()),
    ("develop", FORK, {}, set()),
    ("main", FORK, {}, set()),
    ("feature/#1", {}, {}, set()),
    ("x" * 249, {}, {}, set()),
    ("feature/#1", MERGE_REQUEST, {}, REVIEW | PREVIEWS),
    ("develop", PROTECTED, {}, STAGING),
    ("develop", PROTECTED, {"review": "false"}, STAGING),
    ("develop", PROTECTED | OPEN, {}, STAGING | PREVIEWS),
    ("develop", PROTECTED | OPEN | {"CI_PIPELINE_SOURCE": "web"}, {}, STAGING | PREVIEWS),
    ("develop", {}, {}, {"not_protected"}),
    ("release/next", PROTECTED, SLASH, STAGING),
    ("develop", PROTECTED, SLASH, REVIEW),
    ("release/next", {}, SLASH, {"not_protected"}),
    ("qa/one", {}, {"long-lived-branches": r"qa\/.*|demo"}, set()),
    ("main", PROTECTED, {}, PRODUCTION),
    ("main", PROTECTED, {"production-image": "build"}, PRODUCTION - {"promote"}),
    ("main", {}, {}, {"not_protected"}),
    ("main", PROTECTED | TAG, {}, PRODUCTION),
    ("main", TAG, {}, {"not_protected"}),
    ("main", PROTECTED | TAG | {"CI_COMMIT_TAG": "nightly-1"}, {}, set()),
    ("develop", PROTECTED | {"CI_PIPELINE_SOURCE": "pipeline"}, {}, STAGING),
]


@pytest.mark.parametrize(("branch", "variables", "inputs", "more"), CASES)
def test_a_pipeline_has_these_jobs_besides_build_and_test(listed, branch, variables, inputs, more):
    assert listed(branch, variables, inputs) == {"build", "test"} | more


SCHEDULE = {"CI_PIPELINE_SOURCE": "schedule"}
NAMES = {"sweep_reviews", "drift_staging", "drift_production", "settle_staging", "settle_production", "rotate"}


@pytest.mark.parametrize(
    ("variables", "inputs", "jobs"),
    [
        (PROTECTED, {}, set()),
        (PROTECTED | {"SLIPWAY_SCHEDULE": "drift,settle,sweep,rotate"}, {}, NAMES),
        (PROTECTED | {"SLIPWAY_SCHEDULE": "drift,settle,sweep,rotate"}, {"review": "false"}, NAMES - {"sweep_reviews"}),
        ({"SLIPWAY_SCHEDULE": "sweep,rotate"}, {}, {"sweep_reviews"}),
    ],
)
def test_a_schedule_has_what_it_is_for_and_nothing_that_releases(listed, variables, inputs, jobs):
    assert listed("main", SCHEDULE | variables, inputs) == jobs
