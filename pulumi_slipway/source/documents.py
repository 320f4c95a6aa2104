"""Splits a YAML file into its documents, and refuses what must not reach a parser that trusts it.

Each is checked as a tree of nodes before anything is made of it: a key that is there twice would silently win over the
other, and a few lines of anchors can stand for gigabytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from pulumi_slipway.source.rendered import SourceError

NODES = 200_000
"""Nodes of one document with its anchors filled in: a ConfigMap of 1 MiB has a few thousand."""


@dataclass(frozen=True)
class Document:
    """One document of a file; empty ones are left out."""

    text: str
    place: str
    """For people: "k8s/web.yaml, document 2"."""


def documents(prefix: str, path: Path, text: str) -> list[Document]:
    """The documents of a file; raises SourceError with the place of what is wrong."""
    found: list[Document] = []
    number = 1
    try:
        loader = yaml.CSafeLoader(text)
        while loader.check_node():
            place = f"{path}, document {number}"
            node = loader.get_node()
            number += 1
            assert node is not None  # noqa: S101  check_node says that there is one
            _few(prefix, place, node)
            if isinstance(node, yaml.ScalarNode) and not node.value.strip():
                continue
            if not isinstance(node, yaml.MappingNode):
                raise SourceError(f"{prefix}: {place} (line {_line(node)}) is no object: it must be a mapping")
            _unique(prefix, place, node)
            keys = {key.value for key, value in node.value if getattr(value, "value", None)}
            for key in ("apiVersion", "kind"):
                if key not in keys:
                    raise SourceError(f"{prefix}: {place} (line {_line(node)}) has no {key}: give it one")
            start = node.start_mark
            margin = text[start.index - start.column : start.index]
            begin = start.index - (start.column if not margin.strip() else 0)
            found.append(Document(text[begin : node.end_mark.index], place))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1})" if mark else ""
        raise SourceError(f"{prefix}: {path}, document {number}{where}: {error.problem or error}") from None
    except yaml.YAMLError as error:
        raise SourceError(f"{prefix}: {path}: {' '.join(str(error).split())}") from None
    return found


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _few(prefix: str, place: str, node: yaml.Node) -> None:
    """Counts what the anchors stand for, each anchored node once: 10 lines can mean 10^10 nodes."""
    sizes: dict[int, int] = {}

    def size(it: yaml.Node, depth: int) -> int:
        if depth > 100:
            raise SourceError(f"{prefix}: {place} (line {_line(it)}) is nested more than 100 deep")
        if id(it) not in sizes:
            sizes[id(it)] = 1  # an anchor within itself
            sizes[id(it)] = 1 + sum(size(child, depth + 1) for child in _children(it))
        return sizes[id(it)]

    if size(node, 0) > NODES:
        raise SourceError(f"{prefix}: {place} stands for more than {NODES} values: its anchors multiply")


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _unique(prefix: str, place: str, node: yaml.Node, seen: frozenset[int] = frozenset()) -> None:
    if id(node) in seen:
        raise SourceError(f"{prefix}: {place} (line {_line(node)}) holds itself by an anchor")
    keys: set[str] = set()
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in keys:
                    raise SourceError(f"{prefix}: {place} (line {_line(key)}) has {key.value} twice in one mapping")
                keys.add(key.value)
    for child in _children(node):
        _unique(prefix, place, child, seen | {id(node)})
