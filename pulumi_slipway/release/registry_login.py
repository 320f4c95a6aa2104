"""Whom a registry is asked as: the job's own login, or Docker's, from its config or a credential helper.

Sources: GitLab's predefined variables and DOCKER_AUTH_CONFIG ("Access an image from a private container registry");
Docker's config.json (`auths`, `credHelpers`, `credsStore`) and the protocol of its credential helpers.
"""

import base64
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
"""Its names; the last one answers."""
HELPER_SECONDS = 10.0
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Login = tuple[str, str]
"""User and password."""


class _Docker(BaseModel):
    """What of Docker's config tells of logins; the rest of it is no concern of ours."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)
    auths: dict[str, object] | None = None
    stores: dict[str, str] | None = Field(default=None, alias="credHelpers")
    store: str | None = Field(default=None, alias="credsStore")


class _Answer(BaseModel):
    """What a credential helper answers to `get`."""

    model_config = ConfigDict(hide_input_in_errors=True)
    user: str = Field(alias="Username")
    password: str = Field(alias="Secret")


def login(host: str, environment: Mapping[str, str]) -> Login | None:
    """The login for a registry's host; None where there is none.

    In this order: GitLab's CI_REGISTRY_USER and CI_REGISTRY_PASSWORD for CI_REGISTRY; DOCKER_AUTH_CONFIG; config.json
    below DOCKER_CONFIG (`~/.docker`). In each of the latter a credential helper of the host counts before a login that
    is written down, and that before the helper for all hosts.
    """
    if host == environment.get("CI_REGISTRY") and environment.get("CI_REGISTRY_PASSWORD"):
        return environment.get("CI_REGISTRY_USER", ""), environment["CI_REGISTRY_PASSWORD"]
    return next((found for config in _configs(environment) if (found := _of_docker(config, host, environment))), None)


def _configs(environment: Mapping[str, str]) -> Iterator[_Docker]:
    file = Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        texts = [environment.get("DOCKER_AUTH_CONFIG", ""), file.read_text()]
    except (OSError, UnicodeDecodeError):
        texts = [environment.get("DOCKER_AUTH_CONFIG", "")]
    for text in filter(None, texts):
        try:
            yield _Docker.model_validate_json(text)
        except ValidationError:  # not what Docker writes
            continue


def _of_docker(config: _Docker, host: str, environment: Mapping[str, str]) -> Login | None:
    names = [host, f"https://{host}", *(["https://index.docker.io/v1/"] if host in DOCKER_HUB else [])]
    for name in names:
        if helper := (config.stores or {}).get(name):
            return _helped(helper, names, environment)
    written = next((config.auths[name] for name in names if name in config.auths), None) if config.auths else None
    if isinstance(written, dict) and (found := _decoded(written.get("auth"))):
        return found
    return _helped(config.store, names, environment) if config.store else None


def _decoded(auth: object) -> Login | None:
    try:
        user, colon, password = base64.b64decode(str(auth)).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


def _helped(helper: str, names: list[str], environment: Mapping[str, str]) -> Login | None:
    """What the helper knows of the host, under whichever of its names; one that is not installed knows nothing."""
    if not _HELPER.fullmatch(helper):
        return None
    for name in names:
        try:
            asked = subprocess.run(
                [f"docker-credential-{helper}", "get"],
                input=name,
                capture_output=True,
                text=True,
                env=dict(environment),
                timeout=HELPER_SECONDS,
                check=True,
            )
            answer = _Answer.model_validate_json(asked.stdout)
        except (OSError, subprocess.SubprocessError, ValidationError):
            continue
        if answer.user != "<token>":  # an identity token: not what the OCI distribution's token service takes
            return answer.user, answer.password
    return None
