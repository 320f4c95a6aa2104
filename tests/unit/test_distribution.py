"""What somebody gets who installs Slipway."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pulumi_slipway

ROOT = Path(__file__).parents[2]
ROOMS = ROOT / "pulumi_slipway"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names of the files in the wheel, and its metadata."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("components", "pulumi_slipway"):  # setuptools builds beside what it reads
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", build], cwd=folder, check=True, capture_output=True, timeout=300)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_a_wheel_holds_the_library_whole_and_nothing_else(wheel):
    library = {name for name in wheel if ".dist-info/" not in name}
    there = [file for file in ROOMS.rglob("*") if file.is_file() and "components" not in file.parts]
    there += [ROOMS / "components" / file.relative_to(ROOT / "components") for file in (ROOT / "components").rglob("*")]
    wanted = {str(file.relative_to(ROOT)) for file in there if file.is_file() and "__pycache__" not in file.parts}
    assert library == wanted
    assert {"pulumi_slipway/py.typed", "pulumi_slipway/pulumi-plugin.json"} <= library


def test_what_is_public_is_there():
    assert {name: callable(getattr(pulumi_slipway, name)) for name in pulumi_slipway.__all__} == dict.fromkeys(
        pulumi_slipway.__all__, True
    )
