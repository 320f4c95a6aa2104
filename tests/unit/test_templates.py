"""The components: what they declare, that GitLab's schema takes them, and what no job may do."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pulumi_slipway.pipeline.names import ref_slug
from sandbox.gitlab.environments import NAME, NAME_MAX
from tests.unit.templates import ROOT, TEMPLATES, TYPES, documents, expanded

NAMES = [file.stem for file in TEMPLATES]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "delivery": [{}, {"builder": "buildah", "production-image": "build", "workload": "api", "directory": "deploy"}],
    "preview": [{}, {"stack": "staging"}],
    "review": [{}],
    "rollback": [{}, {"stack": "staging", "on-failure": False}],
    "kube-setup": [{}],
}
ALL = [(file, given) for file in TEMPLATES for given in VARIANTS[file.stem]]
JOB_FILE = ROOT / "ci" / "job.yml"


def jobs(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The jobs of an expanded template, hidden ones too."""
    keywords = ("stages", "workflow", "default", "variables", "include")
    return {name: job for name, job in body.items() if name not in keywords}


def lines(node: Any) -> list[str]:
    """Every line of shell in a job's scripts."""
    if isinstance(node, str):
        return node.splitlines()
    return [line for entry in node or () for line in lines(entry)]


def test_the_catalogue_has_the_five_components() -> None:
    assert NAMES == ["delivery", "kube-setup", "preview", "review", "rollback"]


@pytest.mark.parametrize("file", TEMPLATES, ids=NAMES)
def test_every_input_is_typed_described_and_has_a_default(file: Path) -> None:
    inputs, _ = documents(file)
    assert inputs
    for name, declared in inputs.items():
        assert set(declared) <= {"description", "default", "type", "options", "regex"}, name
        assert declared["description"].endswith("."), name
        assert isinstance(declared["default"], TYPES[declared.get("type", "string")]), name
        assert declared["default"] in declared.get("options", [declared["default"]]), name


@pytest.mark.parametrize("file", TEMPLATES, ids=NAMES)
def test_every_input_is_used_and_every_used_one_declared(file: Path) -> None:
    inputs, _ = documents(file)
    assert set(re.findall(r"\$\[\[ inputs\.([a-z0-9-]+) \]\]", file.read_text())) == set(inputs)


@pytest.mark.parametrize(("file", "given"), ALL, ids=[f"{file.stem}{i}" for i, (file, _) in enumerate(ALL)])
def test_gitlabs_schema_takes_the_template_with_its_inputs_expanded(
    file: Path, given: dict[str, Any], tmp_path: Path
) -> None:
    body = expanded(file, **given)
    (tmp_path / "expanded.yml").write_text(yaml.safe_dump(body, sort_keys=False))
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    done = subprocess.run(
        [*command, "--data-transform", "gitlab-ci", tmp_path / "expanded.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "$[[" not in (tmp_path / "expanded.yml").read_text()


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump({"job": {"script": ["x"], "when": "sometimes"}}))
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    assert subprocess.run([*command, tmp_path / "wrong.yml"], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("file", [*TEMPLATES, JOB_FILE], ids=[*NAMES, "job"])
def test_what_gitlab_has_deprecated_is_not_used(file: Path) -> None:
    _, body = documents(file)
    assert not {"image", "services", "cache", "before_script", "after_script"} & set(body)
    for name, job in jobs(body).items():
        assert not {"only", "except"} & set(job), name


@pytest.mark.parametrize("file", [*TEMPLATES, JOB_FILE], ids=[*NAMES, "job"])
def test_images_are_pinned_by_version(file: Path) -> None:
    inputs, body = documents(file)
    images = [declared["default"] for name, declared in inputs.items() if "image" in name and "default" in declared]
    body = expanded(file, image="pulumi/pulumi-python-3.11:3.276.0", directory=".")
    for job in jobs(body).values():
        images += [job["image"]] if "image" in job else []
        images += job.get("services", [])
    for image in images:
        if image in ("staging", "build") or image.startswith("$CI_REGISTRY_IMAGE:"):  # an option; what was just built
            continue
        tag = image.rpartition(":")[2]
        assert re.search(r"\d+\.\d+", tag), image


@pytest.mark.parametrize("file", [*TEMPLATES, JOB_FILE], ids=[*NAMES, "job"])
def test_no_job_echoes_a_secret_traces_its_shell_or_passes_one_as_an_argument(file: Path) -> None:
    secrets = (
        r"KUBE_TOKEN|KUBE_PREVIEW_TOKEN|CI_REGISTRY_PASSWORD|CI_JOB_TOKEN|PASSPHRASE|SLIPWAY_\w*TOKEN|GITLAB_TOKEN"
    )
    _, body = documents(file)
    for name, job in jobs(body).items():
        for line in lines([job.get("before_script"), job.get("script"), job.get("after_script")]):
            assert "set -x" not in line, name
            assert "insecure" not in line, name
            for found in re.finditer(rf"\$\{{?({secrets})\b", line):
                # `[` and `printf` are the shell's own: what they get is on no process's command line.
                word = line.strip()
                tested = word.startswith(("if [", "elif ["))
                printed = word.startswith("printf ") and ("| docker login" in line or "| buildah login" in line)
                stored = '"$KUBE_URL" "$authority" "$KUBE_TOKEN"' in line and line.rstrip().endswith('> "$KUBECONFIG"')
                # Of either type of variable: `value` is a function of the same shell.
                taken = word == f'{found.group(1)}="$(value "{found.group()}")"'
                assert tested or printed or stored or taken, f"{name}: {found.group()} in: {line}"


def test_what_deploys_is_serialised_by_environment_and_never_cut_off() -> None:
    body = jobs(expanded(ROOT / "templates" / "delivery.yml"))
    for stack in ("staging", "production"):
        job = body[f"deploy_{stack}"]
        assert job["resource_group"] == job["environment"]["name"] == stack
        assert job["environment"]["deployment_tier"] == stack
        assert any("--serialised" in line for line in job["script"])
        extended = [job["extends"]] if isinstance(job["extends"], str) else job["extends"]
        assert ".deploy" in extended
    assert body[".deploy"]["interruptible"] is False


@pytest.mark.parametrize("file", TEMPLATES, ids=NAMES)
def test_a_job_that_lifts_locks_has_a_resource_group(file: Path) -> None:
    body = jobs(expanded(file))
    for name, job in body.items():
        if any("--serialised" in line for line in lines(job.get("script"))):
            family = [job, *(body.get(parent, {}) for parent in [job.get("extends")] if isinstance(parent, str))]
            assert any("resource_group" in member for member in family), name


@pytest.mark.parametrize("branch", ["fix/#12-a", "größe", "名前", "x" * 300, "UP/per", "a--b", "-a-"])
def test_gitlab_takes_the_key_of_every_resource_group_whatever_the_branch(branch: str) -> None:
    for file in TEMPLATES:
        for name, job in jobs(expanded(file)).items():
            key = job.get("resource_group", "x").replace("$CI_COMMIT_REF_SLUG", ref_slug(branch))
            assert NAME.fullmatch(key), f"{name}: {key}"
            assert len(key) <= NAME_MAX
            assert "$" not in key, name


def test_production_is_manual_protected_and_a_failure_counts() -> None:
    rules = jobs(expanded(ROOT / "templates" / "delivery.yml"))["deploy_production"]["rules"]
    runs = [rule for rule in rules if rule.get("when") != "never"]
    assert [(rule["when"], rule["allow_failure"]) for rule in runs] == [("manual", False)]
    assert all('$CI_COMMIT_REF_PROTECTED == "true"' in rule["if"] for rule in runs)


def test_the_two_jobs_of_a_review_environment_have_one_name_by_the_same_rules() -> None:
    body = jobs(expanded(ROOT / "templates" / "review.yml"))
    up, stop = body["review"], body["stop_review"]
    assert up["environment"]["name"] == stop["environment"]["name"]
    assert up["environment"]["on_stop"] == "stop_review"
    assert stop["environment"]["action"] == "stop"
    assert [(r["if"], r.get("variables")) for r in up["rules"]] == [
        (r["if"], r.get("variables")) for r in stop["rules"]
    ]


def test_a_preview_asks_with_the_read_only_identity_and_makes_no_deployment() -> None:
    job = jobs(expanded(ROOT / "templates" / "preview.yml"))["preview_production"]
    assert job["variables"]["SLIPWAY_IDENTITY"] == "preview"
    assert job["environment"]["action"] == "access"


@pytest.mark.parametrize("file", TEMPLATES, ids=NAMES)
def test_the_readme_has_a_section_with_an_example_and_every_input(file: Path) -> None:
    inputs, _ = documents(file)
    section = (ROOT / "templates" / "README.md").read_text().split(f"\n## {file.stem}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| `(.*?)` \|", section, re.MULTILINE)
    shown = {name: yaml.safe_load(default) if default[:1] in '["' else default for name, default in rows}
    assert {name: str(value) for name, value in shown.items()} == {
        name: str(d["default"]).lower() if d["default"] is True else str(d["default"]) for name, d in inputs.items()
    }
    example = yaml.safe_load(section.split("```yaml\n")[1].split("```")[0])
    assert set(example["include"][0].get("inputs", {})) <= set(inputs)
    assert example["include"][0]["component"].split("/")[-1].startswith(f"{file.stem}@")
