"""From one HTTP request to one answer: routing, sign-in, scopes, faults, the record of requests. No sockets here."""

import json
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.gitlab import (
    control,
    deploy_tokens,
    environments,
    instance,
    issuables,
    jobs,
    people,
    projects,
    protected_environments,
    protected_refs,
    refs,
    schedules,
    tokens,
    variables,
)
from sandbox.gitlab.control import Fault
from sandbox.gitlab.errors import Refusal, bad_parameters, unknown_endpoint
from sandbox.gitlab.routing import Answer, Call, Routes
from sandbox.gitlab.store import Record, Store

logger = logging.getLogger("sandbox.gitlab")

API = "/api/v4"
READS = ("GET", "HEAD")

ROUTES = Routes().include(
    instance.routes,
    people.routes,
    tokens.routes,
    projects.routes,
    refs.routes,
    protected_refs.routes,
    variables.routes,
    environments.routes,
    protected_environments.routes,
    deploy_tokens.routes,
    schedules.routes,
    issuables.routes,
    jobs.routes,
)


@dataclass(frozen=True)
class Request:
    """An HTTP request as it came in; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    root: str = "http://localhost"


@dataclass
class App:
    """The stand-in without its socket."""

    store: Store
    faults: list[Fault] = field(default_factory=list)
    requests: deque[Record] = field(default_factory=lambda: deque(maxlen=10_000))

    def __post_init__(self) -> None:
        self._routes = Routes().include(ROUTES, control.routes(self.faults, self.requests))

    def handle(self, request: Request) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers for a request. One at a time: the state is small and the work short."""
        parts = urlsplit(request.target)
        with self.store.lock:
            entry: Record = {"method": request.method, "path": parts.path, "status": None, "user": None, "given": []}
            try:
                answer = self._answer(request, parts.path, parts.query, entry)
            except Refusal as refusal:
                answer = Answer(refusal.status, refusal.body, refusal.headers)
            except Exception:
                # A mistake of the stand-in's own: say where, and answer as GitLab does (handle_api_exception).
                logger.exception("%s %s", request.method, parts.path)
                answer = Answer(500, {"message": "500 Internal Server Error"})
            entry["status"] = answer.status
            if not parts.path.startswith("/sandbox/"):
                self.requests.append(entry)
            return answer.status, *_encoded(answer)

    def _answer(self, request: Request, path: str, query: str, entry: Record) -> Answer:
        if path.startswith("/-/"):
            return Answer(200, {"status": "ok"})  # docs.gitlab.com/administration/monitoring/health_check
        inside = path.removeprefix(API) if path.startswith(API + "/") else path
        controls = path.startswith("/sandbox/")
        method = "GET" if request.method == "HEAD" else request.method
        found = self._routes.find(method, inside) if controls or inside != path else None
        if found is None:
            raise unknown_endpoint()
        fault = None if controls else next((f for f in self.faults if f.take(request.method, path)), None)
        if fault and not fault.after and not fault.cut:
            return fault.answer()
        pairs = parse_qsl(query, keep_blank_values=True)
        given = _nested(pairs) | _body(request)
        entry["given"] = sorted(given.keys() - {"private_token"})
        route, parameters = found
        user, token = tokens.authenticate(self.store, _secret(request.headers, given))
        entry["user"] = user["username"]
        tokens.check_scope(token, route)
        answer = route.endpoint(Call(self.store, parameters, given, request.root + path, pairs, user, token))
        if request.method not in READS:
            self.store.save()
        if fault and fault.cut:
            text = json.dumps(answer.body)
            return Answer(answer.status, text[: len(text) // 2], {**answer.headers, "Content-Type": "application/json"})
        return fault.answer() if fault else answer


def _secret(headers: Mapping[str, str], given: Record) -> str | None:
    """Where GitLab looks for a token: lib/gitlab/auth/auth_finders.rb, extract_personal_access_token."""
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    own = given.get("private_token") or headers.get("private-token")
    return own or (bearer.strip() if kind.lower() == "bearer" else None)


def _nested(pairs: list[tuple[str, str]]) -> Record:
    """Rack's nested parameters, one level: `filter[environment_scope]=x`, `scopes[]=api`."""
    nested: Record = {}
    for key, value in pairs:
        outer, bracket, inner = key.partition("[")
        if not bracket:
            nested[outer] = value
        elif inner == "]":
            nested.setdefault(outer, []).append(value)
        else:
            nested.setdefault(outer, {})[inner.rstrip("]")] = value
    return nested


def _body(request: Request) -> Record:
    """A body in one of the three forms that GitLab's documentation uses: JSON, --data, --form."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if not request.body:
        return {}
    if kind == "application/json":
        try:
            parsed: Any = json.loads(request.body)
        except ValueError:
            raise bad_parameters("Problems parsing JSON") from None
        return parsed if isinstance(parsed, dict) else {}
    if kind == "multipart/form-data":
        header = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        message = message_from_bytes(header + request.body, policy=policy.HTTP)
        fields = []
        for part in message.iter_parts():
            content = part.get_payload(decode=True)  # bytes: get_content() would take UTF-8 for ASCII
            if isinstance(content, bytes):
                name = part.get_param("name", header="content-disposition")
                fields.append((str(name), content.decode(errors="replace")))
        return _nested(fields)
    return _nested(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))


def _encoded(answer: Answer) -> tuple[bytes, dict[str, str]]:
    headers = dict(answer.headers)
    if answer.body is None:
        return b"", headers
    if isinstance(answer.body, str):
        return answer.body.encode(), {"Content-Type": "text/plain"} | headers
    return json.dumps(answer.body).encode(), {"Content-Type": "application/json"} | headers
