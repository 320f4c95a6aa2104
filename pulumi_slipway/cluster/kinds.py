"""Objects of any kind, custom ones too: where the API server keeps them, read and applied as plain data."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx2
from lightkube import Client

from pulumi_slipway.cluster.client import web
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.source.rendered import Rendered

AT_ONCE = 16
"""Requests at the same time."""


class Unreadable:
    """Stands for an object that this identity may not read."""


@dataclass(frozen=True)
class Kind:
    """How the API server calls a kind."""

    plural: str
    group: str
    version: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """Where its objects are."""
        root = f"apis/{self.group}/{self.version}" if self.group else f"api/{self.version}"
        within = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{root}{within}/{self.plural}" + (f"/{name}" if name else "")


@dataclass
class Kinds:
    """The kinds that a cluster serves, asked once for each group and version."""

    client: Client
    _known: dict[str, Mapping[str, Kind]] = field(default_factory=dict)

    def find(self, manifest: Manifest) -> Kind | None:
        """The kind of an object; None where the API server has no such kind (yet)."""
        version = str(manifest["apiVersion"])
        if version not in self._known:
            self._known[version] = self._ask(version)
        return self._known[version].get(str(manifest["kind"]))

    def live(self, namespace: str, wanted: Sequence[Rendered]) -> list[Manifest | Unreadable | None]:
        """What the cluster has in the place of each of these objects."""
        kinds = [self.find(one.manifest) for one in wanted]

        def ask(pair: tuple[Rendered, Kind | None]) -> Manifest | Unreadable | None:
            one, kind = pair
            try:
                return self._get(kind.path(namespace, one.name)) if kind else None
            except httpx2.HTTPStatusError as error:
                if error.response.status_code == 403 and one.kind == "Secret":
                    return Unreadable()
                raise

        if not wanted:
            return []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(ask, zip(wanted, kinds, strict=True)))

    def read(self, manifest: Manifest) -> Manifest | Unreadable | None:
        """What the cluster has in the place of an object; None where it has none, or no such kind."""
        kind, metadata = self.find(manifest), manifest["metadata"]
        try:
            return self._get(kind.path(metadata.get("namespace", ""), metadata["name"])) if kind else None
        except httpx2.HTTPStatusError as error:
            if error.response.status_code == 403:
                return Unreadable()
            raise

    def apply(self, namespace: str, manifest: Manifest, manager: str) -> None:
        """Server-side apply; raises UserError where the API server refuses."""
        kind = self.find(manifest)
        if kind is None:
            raise UserError(f"the cluster has no kind {manifest['apiVersion']} {manifest['kind']}")
        answer = self._patch(kind.path(namespace, manifest["metadata"]["name"]), manifest, manager)
        if answer.status_code >= 400:
            raise UserError(f"{manifest['kind']} {manifest['metadata']['name']}: {answer.json().get('message')}")

    def apply_dry(self, manifest: Manifest, manager: str) -> Manifest | None:
        """What a server-side apply would make of an object; None where this identity, or a webhook, has no dry run."""
        kind, metadata = self.find(manifest), manifest["metadata"]
        if kind is None:
            return None
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        try:
            answer = self._patch(path, manifest, manager, dryRun="All")
        except httpx2.HTTPError:  # nothing depends on it: without an answer the object counts as drifted
            return None
        made: Manifest | None = None if answer.is_error else answer.json()
        return made

    def _patch(self, path: str, manifest: Manifest, manager: str, **more: str) -> httpx2.Response:
        return web(self.client).patch(
            path,
            params={"fieldManager": manager, "force": "true", **more},
            headers={"Content-Type": "application/apply-patch+yaml"},
            json=dict(manifest),
        )

    def _ask(self, version: str) -> dict[str, Kind]:
        group, _, number = version.rpartition("/")
        found = self._get(f"apis/{version}" if group else f"api/{version}") or {}
        listed: Iterable[Mapping[str, Any]] = found.get("resources", ())
        return {
            str(it["kind"]): Kind(it["name"], group, number, bool(it["namespaced"]))
            for it in listed
            if "/" not in it["name"]
        }

    def _get(self, path: str) -> Manifest | None:
        answer = web(self.client).get(path)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        found: Manifest = answer.json()
        return found
