"""docs/jobs.md against the templates: which environment, identity and group each job has, and where it exists."""

import re

import pytest

from tests.unit.templates import ROOT, expanded

TEXT = (ROOT / "docs" / "jobs.md").read_text()
PROTECTED = '$CI_COMMIT_REF_PROTECTED == "true"'
STACKS = ("staging", "production")


def merged():
    """All jobs of the delivery, those of the components that it includes too."""
    found = expanded(ROOT / "ci" / "job.yml", image="x:1", directory=".")
    for name in ("kube-setup", "review", "delivery"):
        found |= expanded(ROOT / "templates" / f"{name}.yml")
    for stack in STACKS:
        found |= expanded(ROOT / "templates" / "preview.yml", stack=stack)
        condition = f"$CI_COMMIT_BRANCH && {PROTECTED}"  # the delivery's own is checked where it is given
        found |= expanded(ROOT / "templates" / "rollback.yml", stack=stack, condition=condition)
    return {name: job for name, job in found.items() if isinstance(job, dict)}


JOBS = merged()
INCLUDES = expanded(ROOT / "templates" / "delivery.yml")["include"]
NAMES = sorted(
    name for name, job in JOBS.items()
    if not name.startswith(".") and name not in ("workflow", "default", "variables", "spec")
)  # fmt: skip


def resolved(name):
    """A job with what it extends, as GitLab merges them."""
    job, family = JOBS[name], JOBS[name].get("extends", [])
    result: dict = {}
    for parent in [family] if isinstance(family, str) else family:
        other = resolved(parent)
        variables = {**result.get("variables", {}), **other.get("variables", {})}
        result |= other | {"variables": variables}
    return result | job | {"variables": {**result.get("variables", {}), **job.get("variables", {})}}


def rules(entries):
    """The rules of a job, references followed."""
    for rule in entries:
        if isinstance(rule, dict):
            yield rule
        else:
            yield from rules(JOBS[rule[0]]["rules"])


def row(name):
    """What the table has to say of a job."""
    job = resolved(name)
    environment = job.get("environment") or {}
    action = environment.get("action", "start") if environment else ""
    asks = any(".kube_setup" in entry for entry in job.get("before_script", ()) if isinstance(entry, list))
    runs = [rule["if"] for rule in rules(job.get("rules", ())) if rule.get("when") != "never"]
    return (
        f"`{environment['name']}` ({action})" if environment else "–",
        job["variables"]["SLIPWAY_IDENTITY"] if asks else "–",
        f"`{job['resource_group']}`" if "resource_group" in job else "–",
        "yes" if runs and all(PROTECTED in rule for rule in runs) else "no",
    )


def told():
    """The table of the document."""
    section = TEXT.split("\n## Where it exists")[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"
    ]
    return {line[0].strip("`"): tuple(line[1:]) for line in cells}


def test_the_table_has_every_job_of_the_templates_and_no_other():
    assert sorted(told()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_jobs_environment_identity_and_group_are_what_the_document_says(name):
    assert told()[name] == row(name)


def test_what_may_change_an_environment_is_serialised_in_its_name():
    for name in NAMES:
        where, identity, group, protected = row(name)
        if identity != "deploy" or name.startswith(("review", "stop_review", "sweep")):
            continue
        assert group == where.partition(" ")[0], name
        starts = where.endswith("(start)")
        assert not starts or protected == "yes", f"{name} deploys: only from a protected branch or tag"


def test_the_rollbacks_of_the_delivery_are_only_where_something_is_protected():
    conditions = [it["inputs"]["condition"] for it in INCLUDES if "condition" in it["inputs"]]
    assert len(conditions) == len(STACKS)
    assert all(PROTECTED in it and "||" not in re.sub(r"\(.*?\)", "", it) for it in conditions)


def test_the_first_table_names_every_job_and_tests_that_are_there():
    first = TEXT.split("\n## Where it exists")[0]
    for name in NAMES:
        family = re.sub(r"_(staging|production)(?=$|_)", "_…", name)
        assert f"`{family}`" in first, name
    for test in re.findall(r"`(test_\w+\.py)`", first):
        assert list((ROOT / "tests").rglob(test)), test
