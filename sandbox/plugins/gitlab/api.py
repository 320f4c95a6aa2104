"""GitLab over HTTP through python-gitlab: paths from properties, refusals as one line, no secret in either."""

from typing import Any
from urllib.parse import quote

import gitlab
import requests

from sandbox.plugins.provider_base import ProviderError


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
            timeout=60,
            retry_transient_errors=True,
        )

    def call(self, verb: str, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:  # noqa: ANN401
        """One request; the answer's JSON."""
        where = f"{verb.upper()} {self._gitlab.api_url}{path}"
        try:
            answer = self._gitlab.http_request(verb, path, post_data=body, query_data=query)
        except gitlab.GitlabError as error:
            detail = _flat(error.error_message)
            raise Refused(error.response_code, f"{where}: {_code(error)}{{message: {detail}}}") from None
        except requests.RequestException as error:
            raise Refused(None, f"{where}: {_network(error)}") from None
        return answer.json() if answer.content else {}


def path(template: str, values: dict[str, Any]) -> str:
    """The template with properties in its braces, escaped: a project's path, a branch's slash."""
    filled = template
    for key, value in values.items():
        filled = filled.replace("{" + key + "}", quote(str(value), safe=""))
    return filled


def _code(error: gitlab.GitlabError) -> str:
    return f"{error.response_code} " if error.response_code else ""


def _flat(message: Any) -> str:  # noqa: ANN401
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
