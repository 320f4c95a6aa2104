"""One object of a source, and the placeholders in it where the image goes.

A source is rendered once: what a chart or an overlay makes of the image's name does not depend on which image it is,
and a release can be digest from the one before it without rendering again.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Manifest

ARTICLES = "IMAGE_PLACEHOLDER"
"""What the article's manifests have in place of the image."""
REPOSITORY, TAG = "slipway.invalid/image", "0.0.0-slipway"
IMAGE = f"{REPOSITORY}:{TAG}"
"""What a chart is given as its image's repository and tag: no registry has it, and the tag is a version and a label."""
REFERENCE = re.compile(
    rf"([\w.-]+(:\d+)?/)*({re.escape(REPOSITORY)}|(?P<whole>{ARTICLES}))(?P<version>(:[\w.-]+)*(@sha256:[0-9a-f]{{64}})?)"
)
"""What charts and overlays make of them: with a registry in front, and a tag or a digest of their own behind."""

AUTOSCALER = "HorizontalPodAutoscaler"

REFERENCES = {"ConfigMap": ("configMap", "configMapRef", "configMapKeyRef"), "Secret": ("secretRef", "secretKeyRef")}
"""Fields of a pod template that name one: all have `name`; a volume of a Secret has `secretName`."""


class SourceError(UserError):
    """The source can't be used; the text says which object, in which file, and what to do."""


@dataclass(frozen=True)
class Rendered:
    """One object, and where it was written down."""

    manifest: Manifest
    place: str
    """For people: "k8s/web.yaml, document 2", "kustomization deploy/overlays/staging", "chart charts/web"."""

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.manifest.get("kind"))

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._metadata.get("name"))

    @property
    def title(self) -> str:
        """How it is called in a message."""
        return f"{self.kind} {self.name} ({self.place})"

    @property
    def hook(self) -> str | None:
        """What Helm would run it for; None where it is no hook."""
        return self.annotations.get("helm.sh/hook")

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations."""
        found = self._metadata.get("annotations")
        return {str(key): str(it) for key, it in found.items()} if isinstance(found, Mapping) else {}

    @property
    def _metadata(self) -> Manifest:
        metadata = self.manifest.get("metadata")
        return metadata if isinstance(metadata, Mapping) else {}


def filled(node: Any, image: str) -> Any:  # noqa: ANN401  any value of a manifest
    """The same with the image in the place of every placeholder."""
    if isinstance(node, Mapping):
        return {key: filled(value, image) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [filled(value, image) for value in node]
    if not isinstance(node, str) or not any(mark in node for mark in (ARTICLES, REPOSITORY, TAG)):
        return node
    repository, _, digest = image.partition("@")
    short = digest.removeprefix("sha256:")[:12] or repository.rpartition(":")[2]
    whole = REFERENCE.sub(lambda found: image if found["version"] or found["whole"] else repository, node)
    return whole.replace(TAG, short)


def marked(container: Manifest) -> bool:
    """Whether its image has a placeholder in it."""
    return any(mark in str(container.get("image", "")) for mark in (ARTICLES, REPOSITORY))


def readable(manifest: Manifest) -> Manifest:
    """A Secret with its `stringData`, which is only written, as the `data` that it is read as; others as they are."""
    if manifest.get("kind") != "Secret" or not manifest.get("stringData"):
        return manifest
    written = {key: base64.b64encode(str(it).encode()).decode() for key, it in manifest["stringData"].items()}
    bare = {key: it for key, it in manifest.items() if key != "stringData"}
    return {**bare, "data": {**(manifest.get("data") or {}), **written}}
