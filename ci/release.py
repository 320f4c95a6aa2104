"""The text of a release: the changelog's section of the version that a tag names.

python -m ci.release 1.2.3
"""

import re
import sys
from pathlib import Path

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.version import VERSION

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def notes(changelog: str, tag: str, version: str = VERSION) -> str:
    """The section's text; raises UserError where tag, version and changelog are not of one release.

    The changelog begins with the version that is worked on: `## 1.2.3 (unreleased)`, and when it is released with its
    day, `## 1.2.3 (2026-12-01)`.
    """
    if tag != version:
        raise UserError(f"tag {tag}: pulumi_slipway/version.py says {version}: tag that, or change it first")
    found = re.search(rf"^## {re.escape(tag)} \(([^)]+)\)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise UserError(f"CHANGELOG.md: has no section `## {tag} (<day>)`: say what is new")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", found[1]):
        raise UserError(f"CHANGELOG.md: the section of {tag} says {found[1]}: put the day there, and tag that commit")
    return found[2].strip() + "\n"


if __name__ == "__main__":
    try:
        print(notes(CHANGELOG.read_text(), *sys.argv[1:2]), end="")
    except UserError as error:
        sys.exit(f"error: {error}")
