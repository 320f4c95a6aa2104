"""A release: tag, version and changelog say the same, or there is none."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ci.release import CHANGELOG, notes
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.version import VERSION
from tests.unit.templates import ROOT, expanded

TEXT = "# Changelog\n\n## 1.3.0 (unreleased)\n- c\n\n## 1.2.0 (2026-11-30)\n- a\n  b\n\n## 1.1.0 (2026-10-01)\n- d\n"


def test_the_text_of_a_release_is_its_section():
    assert notes(TEXT, "1.2.0", "1.2.0") == "- a\n  b\n"
    assert notes(TEXT, "1.1.0", "1.1.0") == "- d\n"


@pytest.mark.parametrize(
    ("tag", "version", "told"),
    [
        ("1.2.0", "1.3.0", "tag 1.2.0: pulumi_slipway/version.py says 1.3.0"),
        ("v1.2.0", "1.2.0", "tag v1.2.0"),
        ("1.3.0", "1.3.0", "the section of 1.3.0 says unreleased"),
        ("1.4.0", "1.4.0", "has no section"),
        ("1.2", "1.2", "has no section"),
    ],
)
def test_what_does_not_agree_is_no_release(tag, version, told):
    with pytest.raises(UserError, match=re.escape(told)):
        notes(TEXT, tag, version)


def test_the_changelog_begins_with_the_version_that_is_worked_on():
    first = re.search(r"^## (\S+) \((unreleased|\d{4}-\d{2}-\d{2})\)$", CHANGELOG.read_text(), re.MULTILINE)
    assert first
    assert first[1] == VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION), "the catalog takes no other tags"


def test_only_a_protected_tag_of_a_version_releases_and_gitlabs_schema_takes_the_jobs(tmp_path):
    own = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    delivery = expanded(ROOT / "templates" / "delivery.yml")
    jobs = {name: job for name, job in own.items() if job and "include" not in name}
    released = {name for name, job in jobs.items() if isinstance(job, dict) and job.get("extends") == ".release"}
    assert released == {"package", "bill_of_materials", "publish_package", "publish_components"}
    [rule] = jobs[".release"]["rules"]
    pattern = re.search(r"=~ /(.+)/ &&", rule["if"])[1]
    assert [bool(re.search(pattern, tag)) for tag in (VERSION, "v1", "1.2")] == [True, False, False]
    assert '$CI_COMMIT_REF_PROTECTED == "true"' in rule["if"]
    assert {jobs[name]["stage"] for name in released} <= set(delivery["stages"])
    assert {need for name in released for need in jobs[name].get("needs", [])} <= released | set(delivery)
    (tmp_path / "own.yml").write_text(yaml.safe_dump({"stages": delivery["stages"], "test": delivery["test"], **jobs}))
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    done = subprocess.run([*command, tmp_path / "own.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
