"""Which values of a stack's config are encrypted in its file: what a person chose to hide is not shown."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from pulumi_slipway.settings.mistakes import Path


class Encrypted:
    """The paths that are `secure:` in the stack file.

    The engine hands over decrypted values and tells no more than which blocks hold a secret somewhere (`sealed`).
    Where the stack file can't be read, or says otherwise than what was handed over (another --config-file), everything
    in such a block counts as encrypted.
    """

    def __init__(self, blocks: Mapping[str, Any], sealed: Collection[str], text: str | None) -> None:
        self.file = _config(text)
        self._paths: set[Path] = set()
        for block in sealed:
            node = self.file.get(block)
            self._paths |= set(_secure(node, (block,))) if _agrees(node, blocks.get(block)) else {(block,)}

    def covers(self, path: Path) -> bool:
        """Whether the value at a path is encrypted, or holds something that is, or is within it."""
        return any(secret[: len(path)] == path or path[: len(secret)] == secret for secret in self._paths)

    def opened(self, secrets: Collection[Path]) -> Iterator[Path]:
        """The encrypted paths in whose place there is none of these secrets: their values would stand in plain text.

        Where it can't be told what is encrypted in a block, it is taken for a secret that the block has.
        """
        for path in sorted(self._paths, key=str):
            if not any(secret[: len(path)] == path for secret in secrets):
                yield path

    def plain(self) -> Iterator[Path]:
        """The paths of the strings that stand in the stack file as they are."""
        yield from _strings(self.file, ())


def _config(text: str | None) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text or "")["config"]
        return {key.removeprefix("slipway:"): value for key, value in config.items() if key.startswith("slipway:")}
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        return {}


def _agrees(node: object, given: object) -> bool:
    if isinstance(node, dict) and set(node) == {"secure"}:
        return isinstance(given, str)
    if isinstance(node, dict) and isinstance(given, dict):
        return set(node) == set(given) and all(_agrees(value, given[key]) for key, value in node.items())
    if isinstance(node, list) and isinstance(given, list):
        return len(node) == len(given) and all(map(_agrees, node, given))
    return bool(node == given)


def _strings(node: object, path: Path) -> Iterator[Path]:
    if isinstance(node, str):
        yield path
    elif isinstance(node, dict) and set(node) != {"secure"}:
        for key, value in node.items():
            yield from _strings(value, (*path, key))


def _secure(node: object, path: Path) -> Iterator[Path]:
    if isinstance(node, dict):
        if set(node) == {"secure"}:
            yield path
        for key, value in node.items():
            yield from _secure(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _secure(value, (*path, index))
