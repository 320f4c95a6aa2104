"""The wheel on each Python that it is for, and with the lowest versions that it says it takes."""

import json
import subprocess
import zipfile
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from demo import installed
from pulumi_slipway.settings.schema import schema
from tests.environments import NAMES, PYTHONS, Missing, find, lower_ends

IMPORT = """
import importlib, json, pkgutil, sys
import pulumi_slipway
from pulumi_slipway.settings.schema import schema
names = [it.name for it in pkgutil.walk_packages(pulumi_slipway.__path__, "pulumi_slipway.")]
for name in names:
    importlib.import_module(name)
json.dump({"python": sys.version, "from": pulumi_slipway.__file__, "modules": names, "schema": schema()}, sys.stdout)
"""


@pytest.mark.parametrize("name", NAMES)
def test_all_of_the_wheel_imports(name, tmp_path):
    try:
        python = find(name)
    except Missing as why:
        pytest.skip(f"{name}: {why}")
    with zipfile.ZipFile(installed.wheel()) as archive:
        archive.extractall(tmp_path)
    run = [python, "-P", "-W", "error::SyntaxWarning", "-c", IMPORT]
    done = subprocess.run(
        run, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert name not in PYTHONS or said["python"].startswith(f"{name}.")
    assert said["from"].startswith(str(tmp_path))
    files = [file for file in (tmp_path / "pulumi_slipway").rglob("*.py") if "starter" not in file.parts]
    assert len(said["modules"]) == len(files) - 1, "but for the package's own"
    assert said["schema"] == schema()


def test_what_is_tested_together_is_within_the_ranges():
    lowest = {it.partition("==")[0]: it.partition("==")[2] for it in lower_ends()}
    assert {"pulumi", "pydantic", "lightkube"} <= set(lowest)
    for name, low in lowest.items():
        assert version(name) in Requirement(f"{name}>={low}").specifier, name


def test_the_lowest_versions_are_what_is_installed():
    try:
        python = find("lowest")
    except Missing as why:
        pytest.skip(f"lowest: {why}")
    names = [it.partition("==")[0] for it in lower_ends()]
    ask = f"from importlib.metadata import version; print(*(f'{{it}}=={{version(it)}}' for it in {names}))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == lower_ends()
