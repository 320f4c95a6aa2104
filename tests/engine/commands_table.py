"""What the matrix of commands has measured, and the table in docs/commands.md that is made of it.

Run `make soak`, then `python -m tests.engine.commands_table`: it takes what is in `out/commands` into
`tests/data/commands`, and writes the table. A case that nobody has measured is said to be so.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.load import Result
from tests.engine.commands import COMMANDS

OUT = Path("out/commands")
RECORDS = Path(__file__).parent.parent / "data" / "commands"
PAGE = Path(__file__).parent.parent.parent / "docs" / "commands.md"
HEAD = """# Pulumi's commands, measured

Each command was run under load on a stack at a state of its release, on the sandbox's engine and cluster, and a plain
`pulumi up` after it. For each case also held, or it would not be here: the namespace had the same objects, the ledger
the same outcomes and the stack the same outputs as before. What the commands do is in [state.md](state.md). This page
is written by `python -m tests.engine.commands_table`.

"""


def measured(strategy: str, state: str, command: str, status: int, changes: Mapping[str, int], result: Result) -> None:
    """Writes one case down, once all that is asserted of it has held."""
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / f"{strategy}-{state}.json"
    rows: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    rows[command] = {"exit": status, "up": dict(changes), "sent": result.sent, "failed": result.failed}
    file.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")


def page(records: Mapping[str, Mapping[str, Any]]) -> str:
    """The page; `records`: by strategy and state, then by command."""
    columns = sorted(records)
    lines = [f"| command | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for command in COMMANDS:
        cells = [_cell(records[column].get(command)) for column in columns]
        lines.append(f"| `{command}` | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def _cell(case: Mapping[str, Any] | None) -> str:
    if case is None:
        return "not measured"
    changes = ", ".join(f"{count} {what}" for what, count in sorted(case["up"].items()))
    return f"exit {case['exit']}, then `up`: {changes}; {case['failed']} of {case['sent']:,} requests lost"


def recorded() -> dict[str, Any]:
    """What has been measured, by strategy and state."""
    return {it.stem: json.loads(it.read_text()) for it in sorted(RECORDS.glob("*.json"))}


if __name__ == "__main__":
    RECORDS.mkdir(parents=True, exist_ok=True)
    for record in OUT.glob("*.json"):
        shutil.copy(record, RECORDS)
    PAGE.write_text(page(recorded()))
