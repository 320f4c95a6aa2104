"""Resolves an image to its digest, so that what was tested is what runs; by the registry API (OCI distribution)."""

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
    client = _client(transport)
    try:
        answer = client.head(url, headers={"Accept": ACCEPT}, auth=auth)
        if answer.status_code == 401 and "bearer" in answer.headers.get("www-authenticate", "").lower():
            token = _bearer(client, answer.headers["www-authenticate"], auth)
            if token:  # the login was for the token service
                answer = client.head(
                    url, headers={"Accept": ACCEPT, "Authorization": f"Bearer {token}"}, auth=httpx2.Auth()
                )
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
    found = answer.headers.get("docker-content-digest", digest or "")
    if answer.status_code == 200 and found and (found != (digest or found) or not DIGEST.fullmatch(found)):
        raise ImageUnresolved(
            f"image {image}: registry {host} shows it under another digest than {digest or 'a sha256'}: it, or "
            "something between, is not what it should be"
        )
    if answer.status_code != 200 or not found:
        raise ImageUnresolved(
            f"image {image}: registry {host} answers {answer.status_code} without a digest: try again later"
        )
    return f"{repository}@{found}"


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
    answer = client.get(realm, params=fields, auth=auth)
    if answer.status_code != 200:
        return ""
    try:
        body = answer.json()
    except ValueError:
        return ""
    return str(body.get("token") or body.get("access_token") or "")
