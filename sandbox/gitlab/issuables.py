"""Merge requests and issues (docs.gitlab.com/api/merge_requests, /api/issues; lib/api/merge_requests.rb, issues.rb)."""

from sandbox.gitlab import clock, notes
from sandbox.gitlab.access import DEVELOPER, GUEST, OWNER, REPORTER
from sandbox.gitlab.errors import bad_parameters, conflict, forbidden, not_found
from sandbox.gitlab.params import Param
from sandbox.gitlab.people import brief
from sandbox.gitlab.refs import commit_of
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record
from sandbox.gitlab.tokens import find_user

routes = Routes()

_KINDS = {"merge_requests": "MergeRequest", "issues": "Issue"}
_STATES = {"close": "closed", "reopen": "opened"}
_READ = {"merge_requests": REPORTER, "issues": GUEST}


def _find(call: Call, kind: str) -> Record:
    project, wanted = call.project(_READ[kind]), call.number("iid")
    for item in project[kind]:
        if item["iid"] == wanted:
            found: Record = item
            return found
    raise not_found(_KINDS[kind])


def present(call: Call, kind: str, item: Record) -> Record:
    """The part of lib/api/entities/merge_request.rb and issue.rb that has a meaning without a repository."""
    project = call.project(GUEST)
    shown = {key: value for key, value in item.items() if key not in ("author_id", "notes")}
    mark = "!" if kind == "merge_requests" else "#"
    root = call.url.split("/api/v4")[0]
    full = f"{project['path_with_namespace']}{mark}{item['iid']}"
    return shown | {
        "project_id": project["id"], "author": brief(find_user(call.store, item["author_id"])),
        "web_url": f"{root}/{project['path_with_namespace']}/-/{kind}/{item['iid']}",
        "user_notes_count": sum(not note["system"] for note in item["notes"]),
        "references": {"short": f"{mark}{item['iid']}", "relative": f"{mark}{item['iid']}", "full": full},
    }  # fmt: skip


def _add(call: Call, kind: str, content: Record) -> Answer:
    project, moment = call.project(GUEST), clock.now()
    labels = content.pop("labels", None) or []
    item: Record = {
        "id": call.store.next_id(kind), "iid": max((item["iid"] for item in project[kind]), default=0) + 1,
        "description": None, **content, "labels": labels, "state": "opened", "author_id": call.user["id"],
        "created_at": moment, "updated_at": moment, "closed_at": None, "notes": [],
    }  # fmt: skip
    project[kind].append(item)
    return Answer(201, present(call, kind, item))


_CONTENT = (Param("description"), Param("labels", "strings"))


@routes("POST", "/projects/:id/merge_requests")
def create_merge_request(call: Call) -> Answer:
    """Opens a merge request; one open at a time for a pair of branches (`validate_branches`).

    Whether the branches exist isn't checked.
    """
    project = call.project(DEVELOPER)
    given = call.declared(
        *(Param(name, required=True) for name in ("source_branch", "target_branch", "title")), *_CONTENT
    )
    source, target = given["source_branch"], given["target_branch"]
    if source == target:
        raise conflict(["You can't use same project/branch for source and target"])
    for other in project["merge_requests"]:
        if (other["source_branch"], other["target_branch"], other["state"]) == (source, target, "opened"):
            raise conflict([f"Another open merge request already exists for this source branch: !{other['iid']}"])
    extra = {
        "source_project_id": project["id"], "target_project_id": project["id"], "sha": commit_of(source)["id"],
        "draft": given["title"].startswith("Draft:"), "merge_status": "can_be_merged",
        "detailed_merge_status": "mergeable", "merged_at": None,
    }  # fmt: skip
    return _add(call, "merge_requests", given | extra)


@routes("POST", "/projects/:id/issues")
def create_issue(call: Call) -> Answer:
    """Opens an issue."""
    call.project(GUEST)
    given = call.declared(Param("title", required=True), Param("confidential", "boolean"), *_CONTENT)
    return _add(call, "issues", {"confidential": False} | given)


@routes("GET", "/projects/:id/repository/commits/:sha/merge_requests")
def merge_requests_of(call: Call) -> Answer:
    """Those whose head or merge commit it is (`by_related_commit_sha`): no other commit of theirs is known here."""
    project, sha = call.project(REPORTER), call.path["sha"]
    found = [it for it in project["merge_requests"] if sha in (it["sha"], it.get("merge_commit_sha"))]
    return call.page([present(call, "merge_requests", it) for it in found])


def _register(kind: str, noteable: str) -> None:
    """What merge requests and issues share."""
    base = f"/projects/:id/{kind}"

    @routes("GET", base)
    def listing(call: Call) -> Answer:
        project = call.project(_READ[kind])
        given = call.declared(
            Param("state", choices=("opened", "closed", "merged", "locked", "all")), Param("search"),
            Param("source_branch"), Param("target_branch"), Param("labels", "strings"),
            Param("sort", choices=("asc", "desc")),
        )  # fmt: skip
        search, labels = (given.get("search") or "").lower(), set(given.get("labels") or [])
        chosen = [
            present(call, kind, item)
            for item in project[kind]
            if given.get("state") in (None, "all", item["state"])
            and all(given.get(name) in (None, item.get(name)) for name in ("source_branch", "target_branch"))
            and search in f"{item['title']} {item['description'] or ''}".lower()
            and labels <= set(item["labels"])
        ]
        return call.page(chosen if given.get("sort") == "asc" else chosen[::-1])

    @routes("GET", base + "/:iid")
    def single(call: Call) -> Answer:
        return Answer(200, present(call, kind, _find(call, kind)))

    @routes("PUT", base + "/:iid")
    def update(call: Call) -> Answer:
        item = _find(call, kind)
        if call.level < DEVELOPER and item["author_id"] != call.user["id"]:
            raise forbidden()
        given = call.declared(Param("title"), Param("state_event", choices=tuple(_STATES)), *_CONTENT)
        if not given:
            raise bad_parameters("title, description, labels, state_event are missing, at least one must be provided")
        event = given.pop("state_event", None)
        moment = clock.now()
        if event:
            item.update(state=_STATES[event], closed_at=moment if event == "close" else None)
        item.update(given, updated_at=moment)
        return Answer(200, present(call, kind, item))

    @routes("DELETE", base + "/:iid")
    def delete(call: Call) -> Answer:
        item = _find(call, kind)
        if call.level < OWNER:
            raise forbidden()
        call.project(OWNER)[kind].remove(item)
        return NO_CONTENT

    notes.register(routes, base, noteable, lambda call: _find(call, kind))


for _kind, _noteable in _KINDS.items():
    _register(_kind, _noteable)
