"""Writes what comes from the templates of `slipway init`: starter/ for `pulumi new`, and the stack files at the root.

    make starter

tests/unit/test_init.py holds that what is checked in is what this writes.
"""

from pathlib import Path

from pulumi_slipway.cli.starter_files import PULUMI_NEW, STACKS, Answers, render

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = Answers("slipway", "myapp", "demo/app", "Ship from GitLab to Kubernetes with one Pulumi program")
"""The program at the root."""


def expected() -> dict[Path, str]:
    """Files and their texts."""
    found = {ROOT / "starter" / name: text for name, text in render(PULUMI_NEW, template=True).items()}
    reference = render(REFERENCE)
    for name in ("Pulumi.yaml", *(f"Pulumi.{stack}.yaml" for stack in STACKS)):
        found[ROOT / name] = reference[name].replace(
            "$schema=slipway.schema.json", "$schema=pulumi_slipway/settings/slipway.schema.json"
        )
    return found


if __name__ == "__main__":
    for file, text in expected().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
