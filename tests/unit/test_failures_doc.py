"""docs/failures.md has each message that a release can end with: what it means, what to do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_slipway.release import why

ROOT = Path(why.__file__).parent
DOC = Path(__file__).parents[2] / "docs" / "failures.md"
MODULES = (
    "why",
    "rollout",
    "reach",
    "watch",
    "jobs",
    "conduct",
    "ledger_writer",
    "live",
    *(f"checks/{it}" for it in ("tally", "http", "job", "command", "prometheus")),
)
"""Where a release ends: why pods do not come up, waits, checks, and two runs at once."""


def messages(tree: ast.AST) -> Iterator[list[str]]:
    """Each text of a function that has words in it, as the parts that are always the same."""
    ignored: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            ignored.add(id(node.value))  # docstrings
        if isinstance(node, ast.JoinedStr):
            ignored |= {id(child) for child in ast.walk(node) if isinstance(child, ast.Constant)}
            yield [str(it.value) for it in node.values if isinstance(it, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in ignored:
            yield [node.value]


def fragments() -> set[str]:
    found = set()
    for name in MODULES:
        tree = ast.parse((ROOT / f"{name}.py").read_text())
        for parts in messages(tree):
            found |= {part.strip(" :;,()'") for part in parts if len(part.split()) > 1}
    return found


@pytest.mark.parametrize("fragment", sorted(fragments()))
def test_each_message_is_in_the_list_of_failures(fragment: str) -> None:
    assert fragment in " ".join(DOC.read_text().split()), f"say in docs/failures.md what it means: {fragment}"


@pytest.mark.parametrize("reason", [*why.PULLS, *why.LASTING, *why.MOUNTS])
def test_each_reason_of_the_kubelet_is_in_the_list(reason: str) -> None:
    assert reason in DOC.read_text()


def test_the_messages_are_found() -> None:
    assert "its containers are ready, its readiness gate is not" in fragments()
    assert len(fragments()) > 20
