"""The images of a source's containers: those that are the release's, and those that only look so."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_slipway.core.model import Manifest
from pulumi_slipway.source.rendered import ARTICLES, REFERENCE, REPOSITORY, TAG, Rendered, SourceError, filled

SAMPLE = f"registry.invalid/app@sha256:{'0' * 64}"


def containers(node: object) -> Iterator[dict[str, Any]]:
    """Every container in an object, whatever its kind: of pods, of templates, of templates of Jobs."""
    if isinstance(node, list):
        for item in node:
            yield from containers(item)
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        if key in ("containers", "initContainers") and isinstance(value, list):
            yield from (it for it in value if isinstance(it, dict) and isinstance(it.get("image"), str))
        else:
            yield from containers(value)


def images(node: object) -> list[str]:
    """The images of all its containers, in their order."""
    return [str(it["image"]) for it in containers(node)]


def pod_specs(node: object) -> Iterator[dict[str, Any]]:
    """What each pod is to be that an object makes: its own, of its template, of a template of Jobs."""
    if not isinstance(node, dict):
        return
    if isinstance(node.get("containers"), list):
        yield node
        return
    for key in ("spec", "template", "jobTemplate"):
        yield from pod_specs(node.get(key))


def goes_along(image: str, literal: str) -> bool:
    """Whether an image is the release's: what a chart makes of its image values, or the workload's very text."""
    return REFERENCE.fullmatch(image) is not None or bool(literal and image == literal)


def of_release(one: Rendered, literal: str) -> Rendered:
    """The object with the placeholder where it has the image that the workload's container has in the source.

    A worker, an init container or a CronJob of the same code goes with the release; else it would stay behind.
    """
    if not any(goes_along(it["image"], literal) for it in containers(one.manifest)):
        return one
    manifest: Manifest = json.loads(json.dumps(one.manifest))
    for it in containers(manifest):
        if goes_along(it["image"], literal):
            it["image"] = ARTICLES
    return Rendered(manifest, one.place)


def refuse_half_filled(prefix: str, one: Rendered) -> None:
    """Raises SourceError for a container that has a part of the release's image: no registry has what it would get."""
    for it in containers(one.manifest):
        text = it["image"]
        if all(mark not in text for mark in (ARTICLES, REPOSITORY, TAG)) or filled(text, SAMPLE) == SAMPLE:
            continue
        shown = text.replace(f":{TAG}", ":<tag>").replace(REPOSITORY, "<repository>")
        if text.startswith("map["):
            todo = "the chart takes the image as one string: source.helm.image: {repository: <its value>, tag: null}"
        elif REPOSITORY in text:
            todo = "it is another image than the workload's: give it its own repository and tag in source.helm.values"
        else:
            todo = "it has the workload's tag and another repository: give it its own tag in source.helm.values"
        raise SourceError(f"{prefix}{one.title}: container {it.get('name')} would get the image {shown}: {todo}")
