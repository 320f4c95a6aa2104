"""A forged record of a ledger becomes no pod template; a damaged ledger is no traceback; two writers lose nothing."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from lightkube import ApiError

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.goal import NothingToDo, goal
from pulumi_slipway.core.keys import RELEASES
from pulumi_slipway.core.model import Phase, Release, TrackName
from pulumi_slipway.release import ledger, manifests
from pulumi_slipway.release.bound import annotation
from pulumi_slipway.release.ledger import Book
from pulumi_slipway.release.ledger_writer import Writer
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import observe
from pulumi_slipway.release.pod_template import pod_template
from pulumi_slipway.settings import Environment, Workload

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SUBJECT = Subject("web", Environment(name="production"), Workload())
STABLE = TrackName.STABLE


def release(letter):
    return Release.of(pod_template(SUBJECT, f"r.example.com/app@sha256:{letter * 64}", None)[0])


V1, V2, EVIL = release("1"), release("2"), release("e")


def book(*records):
    return Book(records, lambda _: None, keep=10, now=lambda: NOW)


def healthy(*releases):
    made = book()
    for one in releases:
        made.begin(one, STABLE, "rolling", {})
        made.finish(Phase.HEALTHY)
    return made.records


def namespace(records, live, known, data=None):
    """What is in a namespace: a Deployment that runs `live` and knows these releases, and a ledger."""
    made = manifests.deployment(SUBJECT, STABLE, live.pod_template(STABLE), 1)
    said = {RELEASES: ",".join(it.digest for it in known)} if known is not None else {}
    metadata = {**made["metadata"], "generation": 1, "annotations": said}
    ledgers = {"metadata": SUBJECT.metadata(ledger.SUFFIX), "data": {**ledger.encode(records), **(data or {})}}
    return {
        "Deployment": {"web": {**made, "metadata": metadata, "status": {}}},
        "ConfigMap": {"web-releases": ledgers},
    }


def seen(records, live=V2, known=(V2, V1), data=None):
    return observe(namespace(records, live, known, data), SUBJECT, NOW)


def forged(outcome, sequence):
    record = replace(healthy(EVIL)[0], sequence=sequence, outcome=outcome)
    return record if outcome is not Phase.PROGRESSING else replace(record, finished="")


@pytest.mark.parametrize("sequence", [2, 3, 999_999, 999_999_999])
@pytest.mark.parametrize("outcome", Phase)
def test_no_action_makes_a_forged_record_the_pod_template(outcome, sequence):
    records = {it.sequence: it for it in healthy(V1, V2, V2)} | {sequence: forged(outcome, sequence)}
    world = seen(tuple(sorted(records.values(), key=lambda it: it.sequence)))
    live = world.observed.live_image()
    assert live != EVIL.image
    for action in Action:
        for named in ("", EVIL.id):
            with suppress(NothingToDo):
                found = goal("web", world.observed, V2, action, named if action is Action.ROLLBACK else "")
                assert found.release != EVIL


def test_a_record_that_is_passed_over_is_told():
    world = seen((*healthy(V1, V2), forged(Phase.HEALTHY, 3)))
    assert [it.sequence for it in world.passed_over] == [3]
    assert [it.release for it in world.observed.healthy()] == [V2, V1]


def test_one_that_takes_the_id_of_a_live_release_is_told_apart_by_the_whole_hash():
    evil = replace(healthy(EVIL)[0], release=replace(EVIL))
    world = seen((evil,), live=V2, known=(V2,))
    assert world.observed.healthy() == ()


def test_stacks_of_an_earlier_version_go_back_as_before():
    world = seen(healthy(V1, V2), known=None)
    assert goal("web", world.observed, V2, Action.ROLLBACK).release == V1


def test_a_release_that_was_cut_off_before_its_deployment_was_written_is_still_taken_back():
    made = book(*healthy(V1, V2))
    made.begin(release("3"), STABLE, "rolling", {})
    world = seen(made.records)
    assert world.observed.in_flight
    assert world.observed.live_image() == V2.image
    assert goal("web", world.observed, V2, Action.ROLLBACK).release == V2
    with pytest.raises(NothingToDo, match=r"no Deployment has it: deploy its image with SLIPWAY_IMAGE_WEB="):
        goal("web", world.observed, V2, Action.PROMOTE)


def test_a_deployment_knows_its_own_release_and_those_on_the_ledger():
    assert annotation(V2, healthy(V1))[RELEASES].split(",") == [V2.digest, V1.digest]
    unbound = [replace(it, bound=False) for it in healthy(EVIL)]
    assert EVIL.digest not in annotation(V2, unbound)[RELEASES]


def test_a_key_of_999999_is_not_the_newest_for_ever():
    records = (*healthy(V1, V2), forged(Phase.DEGRADED, 999_999))
    assert [it.sequence for it in ledger.decode(ledger.encode(records))] == [1, 2]


DAMAGE = ["", "null", "[]", "{}", "{", "9" * 5000, "[" * 100_000, '"x"', "\x00", '{"template": {}}', "NaN"]


@pytest.mark.parametrize("text", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_ledger_is_no_traceback(text):
    ours = healthy(V1, V2)
    world = seen(ours, data={"000003": text, "zzz": text, "-1": text, "²": text, "1e3": text})
    assert world.observed.ledger == ours


@pytest.mark.parametrize(
    "path", ["template", "outcome", "track", "timeline", "checks", "provenance", "started", "seconds"]
)
@pytest.mark.parametrize("value", [None, [], {}, "x", -1, 1e400, {"metadata": 1, "spec": 2}, [[]], True])
def test_nor_is_one_with_a_field_that_is_none(path, value):
    (text,) = ledger.encode(healthy(V1)).values()
    world = seen(healthy(V1), live=V1, known=(V1,), data={"000002": json.dumps(json.loads(text) | {path: value})})
    for record in world.observed.ledger:
        record.release.pod_template(STABLE)
        assert record.release.configs is not None


def test_nor_is_one_whose_container_has_no_image():
    (text,) = ledger.encode(healthy(V1)).values()
    entry = json.loads(text)
    del entry["template"]["spec"]["containers"][0]["image"]
    assert ledger.decode({"000002": json.dumps(entry)}) == ()


class Server:
    """One ConfigMap, as the API server keeps it: a version each write, a conflict for who follows from an older one."""

    def __init__(self):
        self.data, self.version = {}, 0

    def apply(self, body, *, field_manager, force):
        if body.metadata.resourceVersion not in (None, str(self.version)):
            answer = SimpleNamespace(json=lambda: {"code": 409, "message": "conflict"}, status_code=409)
            raise ApiError(request=None, response=answer)
        self.data, self.version = dict(body.data), self.version + 1
        return SimpleNamespace(metadata=SimpleNamespace(resourceVersion=str(self.version)))

    def get(self, kind, name, *, namespace):
        live = {"metadata": {"resourceVersion": str(self.version)}, "data": self.data}
        return SimpleNamespace(to_dict=lambda: live)

    def run(self):
        """A run that has observed what is there now."""
        live = self.get(None, "", namespace="").to_dict()
        records = ledger.decode(live["data"])
        return Book(records, Writer(self, "web", "apps", {}, live), keep=10, now=datetime.now(UTC).replace)


@pytest.fixture
def server():
    made = Server()
    first = made.run()
    first.begin(V1, STABLE, "rolling", {})
    first.finish(Phase.HEALTHY)
    return made


def test_two_runs_from_two_backends_lose_no_record(server):
    one, two = server.run(), server.run()
    one.begin(V2, STABLE, "rolling", {})
    two.begin(EVIL, STABLE, "rolling", {})
    one.mark(1)
    two.finish(Phase.DEGRADED, "failed")
    one.finish(Phase.HEALTHY)
    known = {it.release: it.outcome for it in ledger.decode(server.data)}
    assert known == {V1: Phase.HEALTHY, V2: Phase.HEALTHY, EVIL: Phase.DEGRADED}


def test_who_loses_twice_in_a_row_takes_the_newer_of_what_others_wrote(server):
    one, two, read = server.run(), server.run(), server.get
    one.begin(V2, STABLE, "rolling", {})

    def read_and_then_be_overtaken(*arguments, **named):
        found = read(*arguments, **named)
        server.get = read
        one.finish(Phase.HEALTHY)
        return found

    server.get = read_and_then_be_overtaken
    two.begin(EVIL, STABLE, "rolling", {})
    known = {it.release: it.outcome for it in ledger.decode(server.data)}
    assert known == {V1: Phase.HEALTHY, V2: Phase.HEALTHY, EVIL: Phase.PROGRESSING}


def test_who_has_begun_nothing_does_not_end_what_another_has_begun(server):
    paused = server.run()
    paused.begin(V2, STABLE, "canary", {})
    paused.finish(Phase.PAUSED, step=1)
    one, two = server.run(), server.run()
    one.begin(EVIL, STABLE, "canary", {})
    with pytest.raises(UserError, match=f"another run has begun release {EVIL.id} of it meanwhile: run again"):
        two.mark(2)
    assert ledger.decode(server.data)[-1].outcome is Phase.PROGRESSING


def test_records_that_a_run_let_go_do_not_come_back_with_a_conflict(server):
    for letter in "3456789":
        run = server.run()
        run.begin(release(letter), STABLE, "rolling", {})
        run.finish(Phase.DEGRADED)
    live = server.get(None, "", namespace="").to_dict()
    keeps = Book(ledger.decode(live["data"]), Writer(server, "web", "apps", {}, live), keep=2)
    server.version += 1  # somebody has labelled it
    keeps.begin(V2, STABLE, "rolling", {})
    assert [it.release for it in ledger.decode(server.data)] == [V1, release("9"), V2]
