"""What import-linter does not look for: the core is of the standard library alone, nothing is of the checkout."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pulumi_slipway

PACKAGE = Path(pulumi_slipway.__file__).parent
OUTSIDE = {"bench", "ci", "demo", "sandbox", "tests"}


def imported(file: Path) -> Iterator[str]:
    """The modules that a file names, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (it.name for it in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "pulumi_slipway" if node.level else str(node.module)


def files(room: str) -> list[Path]:
    """Its modules."""
    return sorted((PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("file", files("core"), ids=lambda it: it.stem)
def test_the_core_is_of_the_standard_library_alone(file):
    for module in imported(file):
        assert module.partition(".")[0] in sys.stdlib_module_names or module.startswith("pulumi_slipway.core")


def test_the_package_needs_nothing_of_the_checkout():
    found = {file.name: {it.partition(".")[0] for it in imported(file)} & OUTSIDE for file in files("")}
    assert {name: it for name, it in found.items() if it} == {}
