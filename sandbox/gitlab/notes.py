"""Comments on merge requests and issues (docs.gitlab.com/api/notes; lib/api/notes.rb, helpers/notes_helpers.rb)."""

from collections.abc import Callable

from sandbox.gitlab import clock
from sandbox.gitlab.access import MAINTAINER
from sandbox.gitlab.errors import bad_request, forbidden, record_not_found
from sandbox.gitlab.params import Param
from sandbox.gitlab.people import brief
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record

# docs.gitlab.com/api/notes: "The content of a note. Limited to 1,000,000 characters."
NOTE_MAX = 1_000_000


def register(routes: Routes, base: str, noteable: str, find: Callable[[Call], Record]) -> None:
    """Puts the endpoints for notes below `base`; `find` gives what they hang on, `noteable` is its Rails class."""

    def note_of(call: Call) -> tuple[Record, Record]:
        item, wanted = find(call), call.number("note_id")
        for note in item["notes"]:
            if note["id"] == wanted:
                return item, note
        raise record_not_found()

    def note_to_change(call: Call) -> tuple[Record, Record]:
        """`authorize! :admin_note`: the author, or a Maintainer."""
        item, note = note_of(call)
        if note["author"]["id"] != call.user["id"] and call.level < MAINTAINER:
            raise forbidden()
        return item, note

    def body(call: Call) -> str:
        text = call.declared(Param("body", required=True))["body"] or ""
        if not text:
            raise bad_request('Note {:note=>["can\'t be blank"]}')
        if len(text) > NOTE_MAX:
            raise bad_request(f'Note {{:note=>["is too long (maximum is {NOTE_MAX} characters)"]}}')
        return str(text)

    @routes("GET", base + "/:iid/notes")
    def notes(call: Call) -> Answer:
        given = call.declared(Param("sort", choices=("asc", "desc")))
        found = find(call)["notes"]
        return call.page(found if given.get("sort") == "asc" else found[::-1])

    @routes("GET", base + "/:iid/notes/:note_id")
    def note(call: Call) -> Answer:
        return Answer(200, note_of(call)[1])

    @routes("POST", base + "/:iid/notes")
    def create_note(call: Call) -> Answer:
        item, text, moment = find(call), body(call), clock.now()
        internal = bool(call.declared(Param("internal", "boolean")).get("internal"))
        created: Record = {
            "id": call.store.next_id("note"), "type": None, "body": text, "author": brief(call.user),
            "created_at": moment, "updated_at": moment, "system": False, "noteable_id": item["id"],
            "noteable_type": noteable, "noteable_iid": item["iid"], "resolvable": False, "confidential": internal,
            "internal": internal, "commands_changes": {},
        }  # fmt: skip
        item["notes"].append(created)
        return Answer(201, created)

    @routes("PUT", base + "/:iid/notes/:note_id")
    def update_note(call: Call) -> Answer:
        _, changed = note_to_change(call)
        changed.update(body=body(call), updated_at=clock.now())
        return Answer(200, changed)

    @routes("DELETE", base + "/:iid/notes/:note_id")
    def delete_note(call: Call) -> Answer:
        item, gone = note_to_change(call)
        item["notes"].remove(gone)
        return NO_CONTENT
