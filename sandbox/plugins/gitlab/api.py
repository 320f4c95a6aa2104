"""GitLab over HTTP through python-gitlab: paths from properties, refusals as one line, no secret in either."""

from urllib.parse import quote

import gitlab
import requests

from sandbox.plugins.properties import Json
from sandbox.plugins.provider_base import ProviderError

_RETRIES = 3
"""After 0.1, 0.2 and 0.4 s: a GitLab that is away is told soon."""


class Refused(ProviderError):
    """GitLab's answer when it does not do what was asked."""

    def __init__(self, code: int | None, message: str) -> None:
        super().__init__(message)
        self.code = code


class Api:
    """One GitLab as one token."""

    def __init__(self, url: str, token: str, *, verify: bool | str = True) -> None:
        self._gitlab = gitlab.Gitlab(
            url.rstrip("/").removesuffix("/api/v4"),
            private_token=token,
            ssl_verify=verify,
            timeout=30,
            retry_transient_errors=True,  # a 502 while GitLab restarts
        )

    def call(self, verb: str, path: str, body: dict[str, Json] | None = None, **query: Json) -> Json:
        """One request; the answer's JSON."""
        where = f"{verb.upper()} {self._gitlab.api_url}{path}"
        try:
            answer = self._gitlab.http_request(verb, path, post_data=body, query_data=query, max_retries=_RETRIES)
        except gitlab.GitlabError as error:
            detail = _flat(error.error_message)
            raise Refused(error.response_code, f"{where}: {_code(error)}{{message: {detail}}}") from None
        except requests.RequestException as error:
            raise Refused(None, f"{where}: {_network(error)}") from None
        return answer.json() if answer.content else {}


def path(template: str, values: dict[str, Json]) -> str:
    """The template with properties in its braces, escaped: a project's path, a branch's slash."""
    filled = template
    for key, value in values.items():
        filled = filled.replace("{" + key + "}", quote(str(value), safe=""))
    return filled


def _code(error: gitlab.GitlabError) -> str:
    return f"{error.response_code} " if error.response_code else ""


def _flat(message: Json) -> str:
    """GitLab's message, of whatever shape, on one line: `{message: {key: [has already been taken]}}`."""
    match message:
        case dict():
            return "{" + ", ".join(f"{key}: {_flat(value)}" for key, value in message.items()) + "}"
        case list():
            return "[" + ", ".join(_flat(each) for each in message) + "]"
        case bytes():
            return " ".join(message.decode(errors="replace").split())
    return " ".join(str(message).split())


def _network(error: requests.RequestException) -> str:
    reason: object = error
    while getattr(reason, "args", None) and isinstance(reason.args[0], Exception):  # type: ignore[attr-defined]
        reason = reason.args[0]  # type: ignore[attr-defined]
    text = str(getattr(reason, "reason", None) or reason)
    return "GitLab cannot be reached: " + (text.rpartition(">: ")[2] or text)
