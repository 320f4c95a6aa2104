"""Endpoints as a table: method and path pattern -> function."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlencode

from sandbox.gitlab.access import NO_ACCESS, level_in
from sandbox.gitlab.errors import forbidden, not_found
from sandbox.gitlab.params import Param, declared
from sandbox.gitlab.store import Record, Store


@dataclass(frozen=True)
class Answer:
    """What an endpoint returns; `body` None means an empty body."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


NO_CONTENT = Answer(204)


@dataclass(frozen=True)
class Call:
    """One authenticated call: path parameters decoded, query and body merged as Grape merges them."""

    store: Store
    path: Mapping[str, str]
    given: Record
    url: str  # scheme://host/path, for pagination links
    query: Sequence[tuple[str, str]]
    user: Record
    token: Record

    @property
    def level(self) -> int:
        """The caller's access level in the project of the path."""
        return level_in(self.project(NO_ACCESS), self.user)

    def project(self, level: int) -> Record:
        """The project that `:id` names, by number or by path.

        Without membership it looks absent (404); with too low a role it is refused (403): `find_project!` and
        `authorize!` in lib/api/helpers.rb.
        """
        wanted = self.path["id"]
        for project in self.store.state["projects"]:
            named = project["id"] == int(wanted) if wanted.isdecimal() else project["path_with_namespace"] == wanted
            if named and level_in(project, self.user) > NO_ACCESS:
                if level_in(project, self.user) < level:
                    raise forbidden()
                found: Record = project
                return found
        raise not_found("Project")

    def declared(self, *params: Param) -> Record:
        """The declared parameters given in query or body."""
        return declared(self.given, *params)

    def number(self, name: str) -> int:
        """An integer path parameter."""
        value: int = declared(self.path, Param(name, "integer", required=True))[name]
        return value

    def page(self, items: Iterable[object]) -> Answer:
        """One page of a list, with GitLab's headers (lib/gitlab/pagination/offset_header_builder.rb).

        20 a page by default and 100 at most: docs.gitlab.com/api/rest, "Offset-based pagination".
        """
        everything = list(items)
        asked = self.declared(Param("page", "integer"), Param("per_page", "integer"))
        page = max(1, asked.get("page") or 1)
        size = min(100, max(1, asked.get("per_page") or 20))
        pages = max(1, -(-len(everything) // size))
        following = page + 1 if page < pages else None
        before = page - 1 if page > 1 else None

        kept = [(key, value) for key, value in self.query if key not in ("page", "per_page", "private_token")]

        def link(number: int, relation: str) -> str:
            return f'<{self.url}?{urlencode([*kept, ("page", number), ("per_page", size)])}>; rel="{relation}"'

        links = [link(before, "prev")] if before else []
        links += [link(following, "next")] if following else []
        links += [link(1, "first"), link(pages, "last")]
        headers = {
            "X-Page": str(page), "X-Per-Page": str(size), "X-Next-Page": str(following or ""),
            "X-Prev-Page": str(before or ""), "X-Total": str(len(everything)), "X-Total-Pages": str(pages),
            "Link": ", ".join(links),
        }  # fmt: skip
        return Answer(200, everything[(page - 1) * size : page * size], headers)


Endpoint = Callable[[Call], Answer]


@dataclass(frozen=True)
class Route:
    """`scopes` are the token scopes that suffice: None stands for the usual ones, `api` or, to read, `read_api`."""

    method: str
    segments: tuple[str, ...]
    endpoint: Endpoint
    scopes: tuple[str, ...] | None = None


class Routes:
    """A table of endpoints. Patterns are written like GitLab's: `/projects/:id/variables/:key`."""

    def __init__(self) -> None:
        self._by_shape: dict[tuple[str, int], list[Route]] = {}

    def __call__(
        self, method: str, pattern: str, *, scopes: tuple[str, ...] | None = None
    ) -> Callable[[Endpoint], Endpoint]:
        """Decorator that registers an endpoint."""

        def register(endpoint: Endpoint) -> Endpoint:
            self._add(Route(method, tuple(pattern.strip("/").split("/")), endpoint, scopes))
            return endpoint

        return register

    def _add(self, route: Route) -> None:
        self._by_shape.setdefault((route.method, len(route.segments)), []).append(route)

    def include(self, *others: "Routes") -> "Routes":
        """Adds the tables of other modules."""
        for other in others:
            for routes in other._by_shape.values():
                for route in routes:
                    self._add(route)
        return self

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
        """The route for a path that is still percent-encoded: `demo%2Fapp` is one segment."""
        segments = raw_path.strip("/").split("/")
        for route in self._by_shape.get((method, len(segments)), []):
            path: dict[str, str] = {}
            for wanted, got in zip(route.segments, segments, strict=True):
                if wanted.startswith(":"):
                    path[wanted[1:]] = unquote(got)
                elif wanted != got:
                    break
            else:
                return route, path
        return None
