"""Writes what comes of the settings: their JSON Schema, and docs/settings.md.

    make schema

tests/unit/test_explain.py and test_settings_schema.py hold that what is checked in is what this writes.
"""

import json
from pathlib import Path

import yaml

from pulumi_slipway.settings.reference import Setting, settings
from pulumi_slipway.settings.schema import schema

ROOT = Path(__file__).resolve().parent.parent
PAGE, SCHEMA = ROOT / "docs" / "settings.md", ROOT / "pulumi_slipway" / "settings" / "slipway.schema.json"
HEAD = """# Settings

Every setting of a stack file, `Pulumi.<stack>.yaml`, below `config:`. In a terminal:
`slipway explain workloads.web.replicas`; in an editor: `slipway schema > slipway.schema.json`. A duration is written as
`300s`, `10m`, `12h` or `90d`.
"""


def page() -> str:
    """The page's text."""
    known, parts = settings(), [HEAD]
    for block in known.values():
        inside = [it for it in known.values() if it.path[:-1] == block.path]
        if inside:
            parts.append(_section(block, inside))
    return "\n".join(parts)


def _section(block: Setting, inside: list[Setting]) -> str:
    level = "##" if len(block.path) == 1 else "###"
    rows = [f"| `{it.path[-1]}` | {_cell(it.type)} | {_cell(it.default)} | {_cell(it.meaning)} |" for it in inside]
    table = "\n".join(["| setting | takes | default | |", "|---|---|---|---|", *rows])
    shown = yaml.safe_dump({block.path[-1]: block.example}, sort_keys=False, allow_unicode=True)
    example = f"```yaml\n{shown}```\n" if len(block.path) > 1 else ""
    return f"{level} `{block.written}`\n\n{block.meaning}\n\n{table}\n\n{example}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
    PAGE.write_text(page())
