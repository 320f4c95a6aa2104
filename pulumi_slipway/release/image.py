"""Resolves an image to its digest, so that what was tested is what runs; by the registry API (OCI distribution).

The digest of a tag is computed from the manifest's bytes: a header is only what somebody says.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import cache

import httpx2

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.release.registry_login import DOCKER_HUB, login

ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
TIMEOUT_SECONDS = 10.0
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MANIFEST_LIMIT = 4 << 20
"""Bytes of a manifest, as registries bound them."""


class ImageUnresolved(UserError):
    """The registry does not have the image, does not let us see it, or does not answer."""


def resolve(
    image: str, environment: Mapping[str, str] = os.environ, transport: httpx2.BaseTransport | None = None
) -> str:
    """`repository@sha256:…` for an image by tag or digest; raises ImageUnresolved.

    The login is that of the job (registry_login.py). A private CA comes by SSL_CERT_FILE. An image without tag or
    digest means `latest`, as everywhere.
    """
    repository, tag, digest = split(image)
    host, path = _registry(repository)
    url = f"https://{host}/v2/{path}/manifests/{digest or tag}"
    known = login(host, environment)
    auth = httpx2.BasicAuth(*known) if known else httpx2.Auth()
    client, method = _client(transport), "HEAD" if digest else "GET"  # what a digest names, a node verifies itself
    try:
        answer, content = _asked(client, method, url, {}, auth)
        if answer.status_code == 401 and "bearer" in answer.headers.get("www-authenticate", "").lower():
            token = _bearer(client, answer.headers["www-authenticate"], auth)
            if token:  # the login was for the token service
                answer, content = _asked(client, method, url, {"Authorization": f"Bearer {token}"}, httpx2.Auth())
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ImageUnresolved(
            f"image {image}: registry {host} does not answer ({str(error) or type(error).__name__}): check its name, "
            "its certificate (SSL_CERT_FILE) and the network"
        ) from None
    if answer.status_code == 404:
        raise ImageUnresolved(f"image {image}: not in the registry: push it first, or check repository and tag")
    if answer.status_code in (401, 403):
        who = f"as {known[0]}" if known else "without a login"
        raise ImageUnresolved(
            f"image {image}: registry {host} refuses to show it {who} ({answer.status_code}): log in (`docker login`, "
            "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD) with an account that may read it"
        )
    found = digest or (
        f"sha256:{hashlib.sha256(content).hexdigest()}" if _object(content).get("schemaVersion") == 2 else ""
    )
    if answer.status_code != 200 or not found:
        raise ImageUnresolved(
            f"image {image}: registry {host} answers {answer.status_code} without a manifest: try again later"
        )
    if answer.headers.get("docker-content-digest", found) != found or not DIGEST.fullmatch(found):
        raise ImageUnresolved(
            f"image {image}: registry {host} shows it under another digest than {digest or 'that of its manifest'}: "
            "it, or something between, is not what it should be"
        )
    return f"{repository}@{found}"


def _asked(
    client: httpx2.Client, method: str, url: str, login: Mapping[str, str], auth: httpx2.Auth
) -> tuple[httpx2.Response, bytes]:
    """The answer, and its content up to one byte more than a manifest may have."""
    headers = {"Accept": ACCEPT, "Accept-Encoding": "identity", **login}
    content = b""
    with client.stream(method, url, headers=headers, auth=auth) as answer:
        for part in answer.iter_bytes(1 << 16):
            content += part
            if len(content) > MANIFEST_LIMIT:
                break
    return answer, content


def _object(content: bytes) -> dict[str, object]:
    """A JSON object; empty where it is none: a page that asks for a login may come with status 200."""
    try:
        found = json.loads(content) if len(content) <= MANIFEST_LIMIT else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _client(transport: httpx2.BaseTransport | None) -> httpx2.Client:
    """One for all images of a run: what it costs is to be made, and to shake hands with a registry."""
    return httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True, transport=transport)


def split(image: str) -> tuple[str, str, str | None]:
    """Repository, tag (default `latest`) and digest of an image reference."""
    rest, _, digest = image.partition("@")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # the colon was a registry's port
        return rest, "latest", digest or None
    return head, tag, digest or None


def _registry(repository: str) -> tuple[str, str]:
    host, slash, path = repository.partition("/")
    if host in DOCKER_HUB:
        return DOCKER_HUB[-1], path if "/" in path else f"library/{path}"
    if slash and ("." in host or ":" in host or host == "localhost"):
        return host, path
    return DOCKER_HUB[-1], repository if slash else f"library/{repository}"


def _bearer(client: httpx2.Client, challenge: str, auth: httpx2.Auth) -> str:
    """The token of the registry's token service (OCI distribution, token authentication)."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    if not realm.startswith("https://"):  # a login is never sent in the clear
        return ""
    answer, content = _asked(client, "GET", str(httpx2.URL(realm).copy_merge_params(fields)), {}, auth)
    found = _object(content) if answer.status_code == 200 else {}
    token = found.get("token") or found.get("access_token")
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else ""
