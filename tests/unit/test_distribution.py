"""What somebody gets who installs Slipway."""

import json
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import pulumi_slipway
from demo import installed
from pulumi_slipway.version import VERSION

ROOT = Path(__file__).parents[2]
ROOMS = ROOT / "pulumi_slipway"
INFO = f"pulumi_slipway-{VERSION}.dist-info"


def library():
    """Files of the package, as they are called in it."""
    there = [file for file in ROOMS.rglob("*") if file.is_file() and "components" not in file.parts]
    there += [ROOMS / "components" / file.relative_to(ROOT / "components") for file in (ROOT / "components").rglob("*")]
    return {str(file.relative_to(ROOT)) for file in there if file.is_file() and "__pycache__" not in file.parts}


def content(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel():
    """The files in the wheel."""
    return content(installed.wheel())


def test_a_wheel_holds_the_library_whole_and_nothing_else(wheel):
    assert {name for name in wheel if ".dist-info/" not in name} == library()
    assert {"pulumi_slipway/py.typed", "pulumi_slipway/cli/starter/.gitlab-ci.yml"} <= set(wheel)
    assert json.loads(wheel["pulumi_slipway/pulumi-plugin.json"]) == {"resource": False}


def test_an_sdist_holds_the_library_alone_and_gives_the_same_wheel(wheel, tmp_path):
    installed.build("sdist", tmp_path)
    with tarfile.open(tmp_path / f"pulumi_slipway-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / f"pulumi_slipway-{VERSION}"
    names = {str(file.relative_to(source)) for file in source.rglob("*") if file.is_file()}
    assert {name.replace("components/", "pulumi_slipway/components/", 1) if name.startswith("components/") else name
            for name in names if "egg-info" not in name} == library() | {
        "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg",
    }  # fmt: skip
    build = f"from setuptools import build_meta as b; b.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    again = content(next(tmp_path.glob("*.whl")))
    assert {name: text for name, text in again.items() if not name.endswith("RECORD")} == {
        name: text for name, text in wheel.items() if not name.endswith("RECORD")
    }


def test_it_says_its_version_its_command_and_what_it_needs(wheel):
    said = message_from_bytes(wheel[f"{INFO}/METADATA"])
    assert (said["Name"], said["Version"], said["Requires-Python"]) == ("pulumi-slipway", VERSION, ">=3.11")
    assert b"slipway = pulumi_slipway.cli.__main__:main" in wheel[f"{INFO}/entry_points.txt"]


def test_what_is_public_is_there():
    assert {name: callable(getattr(pulumi_slipway, name)) for name in pulumi_slipway.__all__} == dict.fromkeys(
        pulumi_slipway.__all__, True
    )
