"""`pulumi new` of starter/ by the real engine: the project that `slipway init` makes."""

import subprocess
from pathlib import Path

import yaml

from demo.installed import CHECKOUT
from pulumi_slipway.cli.starter_files import NAMES, Answers, render


def test_pulumi_new_gives_what_init_gives(ready: None, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    command = [
        "pulumi",
        "new",
        CHECKOUT / "starter",
        "--yes",
        "--generate-only",
        "--dir",
        folder,
        "--description=Ships",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pulumi stack select --create access" in done.stdout
    wanted = render(Answers("shop", "myapp", "my-group/myapp", "Ships"))
    found = {name: (folder / name).read_text() for name in NAMES}
    assert {file.name for file in folder.iterdir()} == set(NAMES)
    made, given = (yaml.safe_load(texts.pop("Pulumi.yaml")) for texts in (found, wanted))
    assert made.pop("config") == {"pulumi:tags": {"value": {"pulumi:template": str(CHECKOUT / "starter")}}}
    assert made == given
    assert found == wanted
