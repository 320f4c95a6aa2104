"""What only a stand-in has: the handles below `/sandbox/`, for tests and for the pipeline runner.

They take the administrator's token like the API does; other tokens are refused.
"""

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.utils import formatdate
from http import HTTPStatus

from sandbox.gitlab import clock
from sandbox.gitlab.access import MAINTAINER
from sandbox.gitlab.errors import bad_parameters, forbidden, not_found
from sandbox.gitlab.job_variables import variables_for_job
from sandbox.gitlab.params import Param
from sandbox.gitlab.refs import is_protected
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Endpoint, Routes
from sandbox.gitlab.store import Record


@dataclass
class Fault:
    """An answer to give instead of the real one, a number of times."""

    status: int
    count: int
    method: str | None = None
    path: str = ""
    retry_after: int = 1
    cut: bool = False  # True: answer as always, but only the first half of it
    after: bool = False  # True: do the work first, then answer with the fault, as when an answer is lost

    def take(self, method: str, path: str) -> bool:
        """Whether it strikes this request; uses up one of `count`."""
        if self.count < 1 or self.method not in (None, method) or not re.search(self.path, path):
            return False
        self.count -= 1
        return True

    def answer(self) -> Answer:
        """429 as GitLab's rate limits word it (docs.gitlab.com/administration/settings/user_and_ip_rate_limits)."""
        if self.status != 429:
            return Answer(self.status, {"message": f"{self.status} {HTTPStatus(self.status).phrase}"})
        reset = time.time() + self.retry_after
        headers = {
            "Retry-After": str(self.retry_after), "RateLimit-Limit": "60", "RateLimit-Observed": "61",
            "RateLimit-Remaining": "0", "RateLimit-Name": "throttle_authenticated_api",
            "RateLimit-Reset": str(int(reset)), "RateLimit-ResetTime": formatdate(reset, usegmt=True),
        }  # fmt: skip
        return Answer(429, "Retry later\n", headers)


def routes(faults: list[Fault], requests: deque[Record]) -> Routes:
    """The handles over one running stand-in. Faults and requests live in memory: a restart forgets them."""
    table = Routes()

    def guarded(method: str, path: str) -> Callable[[Endpoint], Endpoint]:
        def register(endpoint: Endpoint) -> Endpoint:
            def checked(call: Call) -> Answer:
                if not call.user["is_admin"]:
                    raise forbidden("only the administrator steers the sandbox")
                return endpoint(call)

            return table(method, path)(checked)

        return register

    @guarded("POST", "/sandbox/faults")
    def add_fault(call: Call) -> Answer:
        """`status`, `count` (1), and to choose `method` and `path` (a regular expression); see Fault."""
        given = call.declared(
            Param("status", "integer", required=True, choices=tuple(HTTPStatus)), Param("count", "integer"),
            Param("method"), Param("path"), Param("retry_after", "integer"), Param("after", "boolean"),
            Param("cut", "boolean"),
        )  # fmt: skip
        try:
            re.compile(given.get("path") or "")
        except re.error:
            raise bad_parameters("path is invalid") from None
        fault = Fault(**{"count": 1} | {name: value for name, value in given.items() if value is not None})
        faults.append(fault)
        return Answer(201, asdict(fault))

    @guarded("GET", "/sandbox/faults")
    def list_faults(call: Call) -> Answer:
        """Those that still have something to strike."""
        return call.page(asdict(fault) for fault in faults if fault.count > 0)

    @guarded("DELETE", "/sandbox/faults")
    def clear_faults(_call: Call) -> Answer:
        """Back to normal."""
        faults.clear()
        return NO_CONTENT

    @guarded("GET", "/sandbox/requests")
    def list_requests(_call: Call) -> Answer:
        """The last 10,000: method, path, status, user and the names of parameters, never a value."""
        return Answer(200, list(requests))

    @guarded("DELETE", "/sandbox/requests")
    def clear_requests(_call: Call) -> Answer:
        """Forgets them."""
        requests.clear()
        return NO_CONTENT

    @guarded("GET", "/sandbox/flags")
    def flags(call: Call) -> Answer:
        """`premium`: whether the paid tier's features answer."""
        return Answer(200, {"premium": call.store.state["premium"]})

    @guarded("PUT", "/sandbox/flags")
    def set_flags(call: Call) -> Answer:
        """Sets `premium`; kept over a restart."""
        call.store.state["premium"] = call.declared(Param("premium", "boolean", required=True))["premium"]
        return flags(call)

    @guarded("POST", "/sandbox/tokens/:token_id/expire")
    def expire(call: Call) -> Answer:
        """Lets a token expire today, which no client can ask GitLab for."""
        wanted = call.number("token_id")
        for token in call.store.state["tokens"]:
            if token["id"] == wanted:
                token["expires_at"] = clock.today().isoformat()
                return NO_CONTENT
        raise not_found("Token")

    @guarded("PUT", "/sandbox/projects/:id/merge_requests/:iid")
    def merge(call: Call) -> Answer:
        """Merges a merge request as a commit `sha`, which only a GitLab with repositories could make."""
        wanted, sha = call.number("iid"), call.declared(Param("sha", required=True))["sha"]
        for item in call.project(MAINTAINER)["merge_requests"]:
            if item["iid"] == wanted:
                item.update(state="merged", merge_commit_sha=sha, merged_at=clock.now())
                return NO_CONTENT
        raise not_found("MergeRequest")

    @guarded("GET", "/sandbox/projects/:id/job_variables")
    def job_variables(call: Call) -> Answer:
        """What a job on branch or tag `ref` gets, `environment` being its environment, if any.

        With the values of hidden variables, as a runner gets them; in the API's shape otherwise.
        """
        project = call.project(MAINTAINER)
        given = call.declared(Param("ref", required=True), Param("environment"), Param("tag", "boolean"))
        protected = is_protected(project, "tags" if given.get("tag") else "branches", given["ref"])
        found = variables_for_job(project["variables"], given.get("environment") or None, protected)
        shown = [{key: value for key, value in item.items() if key != "id"} for item in found.values()]
        return Answer(200, {"ref_protected": protected, "variables": shown})

    return table
