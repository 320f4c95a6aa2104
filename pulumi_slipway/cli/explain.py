"""The command `explain`: what a setting means, as the schema and the examples have it."""

import difflib

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.settings.reference import NAME, Setting, settings

PREFIX = "slipway:"


def explain(path: str) -> None:
    """Prints one setting and, of a block, those in it; raises UserError where there is none of that path."""
    console = Console(highlight=False)
    known = settings()
    if not path:
        _table(console, [it for it in known.values() if len(it.path) == 1])
        return
    found = find(path)
    console.print(Text(found.written, style="bold"))
    console.print(Text(found.meaning))
    console.print(Text(f"type     {found.type}"))
    if found.default:
        console.print(Text(f"default  {found.default}"))
    console.print(Text("example"))
    console.print(Text(example(found)))
    below = [it for it in known.values() if it.path[:-1] == found.path]
    if below:
        _table(console, below)


def find(path: str) -> Setting:
    """The setting of a path like `workloads.web.replicas`; `slipway:` may be left out, and so may indices of lists.

    Names that the user chooses are any; raises UserError with the nearest ones where there is no such setting.
    """
    parts = tuple(it.partition("[")[0] for it in path.removeprefix(PREFIX).split("."))
    wanted = (PREFIX + parts[0], *parts[1:])
    for known in settings():
        if len(known) == len(wanted) and all(one in {other, NAME} for one, other in zip(known, wanted, strict=True)):
            return settings()[known]
    written = {".".join(it).removeprefix(PREFIX): it for it in settings()}
    tail = [it for it, known in written.items() if known[-1] == wanted[-1]]
    near = tail[:3] or difflib.get_close_matches(path.removeprefix(PREFIX), written, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`slipway explain` lists the blocks"
    raise UserError(f"{path}: is no setting; {hint}")


def example(setting: Setting) -> str:
    """A value of it, as it stands in a stack file."""
    key = "web" if setting.path[-1] == NAME else setting.path[-1]
    written = yaml.safe_dump({key: setting.example}, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return "".join(f"  {line}\n" for line in written.splitlines()).rstrip()


def _table(console: Console, found: list[Setting]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("setting", "takes", "default", ""):
        table.add_column(title)
    for it in found:
        table.add_row(Text(it.path[-1], style="bold"), Text(it.type), Text(it.default), Text(it.meaning))
    console.print(table)
