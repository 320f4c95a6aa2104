"""The API server over HTTP: kinds to paths, objects in and out, refusals as `ApiError`."""

import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import urllib3

from sandbox.plugins.kubernetes.kubeconfig import Access
from sandbox.plugins.properties import Json

Object = dict[str, Json]

CONNECT_SECONDS = 10
READ_SECONDS = 120
_BUSY_TRIES = 10


class ApiError(Exception):
    """The API server's refusal: its Status object says what and why."""

    def __init__(self, code: int, status: Object) -> None:
        super().__init__(status.get("message") or f"the API server answered {code}")
        self.code, self.status = code, status
        self.reason = str(status.get("reason", ""))

    @property
    def about(self) -> str:
        """The plural kind that the refusal is about: `namespaces` when the namespace is what is missing."""
        return str((self.status.get("details") or {}).get("kind", ""))


class NoSuchKind(Exception):
    """The API server knows no such kind (a custom resource whose definition is not there yet)."""


@dataclass(frozen=True)
class Kind:
    """Where objects of one kind live."""

    prefix: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        place = f"/namespaces/{quote(namespace or 'default')}" if self.namespaced else ""
        return f"{self.prefix}{place}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Api:
    """One cluster as one user. Safe to use from many threads."""

    def __init__(self, access: Access, timeout: float | None = None, connections: int = 32) -> None:
        self.access = access
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout or READ_SECONDS)
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._lock = threading.Lock()
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            retries=urllib3.Retry(total=2, connect=0, read=2, redirect=0, allowed_methods={"GET"}),
            **_tls_options(access),
        )

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        patch: str = "",
        accept: str = "application/json",
        **query: str | bool,
    ) -> Object:
        """One request. `patch` is the kind of PATCH: apply, json, merge."""
        headers = {"Accept": accept, "User-Agent": "pulumi-kubernetes"}
        token = self.access.token or (self.access.token_file.read_text().strip() if self.access.token_file else None)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            # As it is: the API server reads an apply as YAML, which knows no surrogate pairs (`\ud83d\ude80`).
            data = json.dumps(body, ensure_ascii=False).encode()
            content = {"apply": "apply-patch+yaml", "json": "json-patch+json", "merge": "merge-patch+json"}
            headers["Content-Type"] = f"application/{content[patch]}" if patch else "application/json"
        given = {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
        url = f"{self.access.server}{path}" + (f"?{urlencode(given)}" if given else "")
        for _ in range(_BUSY_TRIES):
            answer = self._pool.request(method, url, body=data, headers=headers, timeout=self._timeout)
            if answer.status != 429:
                break
            time.sleep(float(answer.headers.get("Retry-After") or 1))  # nothing was done: the server sheds load
        try:
            content_ = json.loads(answer.data) if answer.data else {}
        except ValueError:
            content_ = {"message": answer.data.decode(errors="replace").strip()}
        if answer.status >= 400:
            raise ApiError(answer.status, content_)
        return content_

    def kind(self, api_version: str, name: str) -> Kind:
        """Looks the kind up, asking the API server once a group version; again for one that was not there."""
        with self._lock:
            known = self._kinds.get(api_version, {})
            if name not in known:
                known = self._kinds[api_version] = self._discover(api_version)
        if name not in known:
            raise NoSuchKind(f'no matches for kind "{name}" in version "{api_version}"')
        return known[name]

    def _discover(self, api_version: str) -> dict[str, Kind]:
        prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            listed = self.call("GET", prefix)
        except ApiError as error:
            if error.code == 404:
                return {}
            raise
        return {
            each["kind"]: Kind(prefix, each["name"], each["namespaced"])
            for each in listed.get("resources", [])
            if "/" not in each["name"]
        }

    def version(self) -> str:
        """The cluster's version, like "v1.35.0"."""
        return str(self.call("GET", "/version")["gitVersion"])

    def versions(self) -> list[str]:
        """Every group version, and every kind below it, as Helm's `.Capabilities.APIVersions` has them."""
        listed = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        found: list[str] = []
        for path in ("/api", "/apis"):
            for group in self.call("GET", path, accept=listed).get("items", []):
                name = group["metadata"].get("name", "")
                for version in group["versions"]:
                    whole = f"{name}/{version['version']}" if name else str(version["version"])
                    kinds = (it.get("responseKind", {}).get("kind") for it in version.get("resources", []))
                    found += [whole, *(f"{whole}/{kind}" for kind in kinds if kind)]
        return found

    def kind_of(self, item: Object) -> Kind:
        return self.kind(item.get("apiVersion", ""), item.get("kind", ""))

    def path_of(self, item: Object) -> str:
        """The path of this very object."""
        meta = item.get("metadata") or {}
        return self.kind_of(item).path(meta.get("namespace"), meta.get("name"))


@contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(prefix="slipway-") as file:  # 0600, gone when closed
        file.write(content)
        file.flush()
        yield file.name


def _tls_options(access: Access) -> Json:
    if not access.server.startswith("https"):
        return {}
    name = {"server_hostname": access.server_name, "assert_hostname": access.server_name} if access.server_name else {}
    return {"ssl_context": _tls(access)} | name


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.ca.decode() if access.ca else None)
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.certificate and access.key:
        # the ssl module reads a key from a file only
        with _private_file(access.certificate + b"\n" + access.key) as file:
            context.load_cert_chain(file)
    return context
