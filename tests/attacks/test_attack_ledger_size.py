"""A ledger that no longer fits into a ConfigMap would stop every release, and every way back."""

import json
import random
import string
from datetime import UTC, datetime, timedelta

import pytest

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Event, Moment, Phase, Record, Release, TrackName
from pulumi_slipway.core.packed import pack, unpack
from pulumi_slipway.release import ledger
from pulumi_slipway.release.ledger import Book

CONFIG_MAP = 1 << 20
"""Bytes that the API server takes (ValidateConfigMap, MaxSecretSize)."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def release(number, text):
    container = {"name": "web", "image": f"r.example.com/web:{number}", "env": [{"name": "X", "value": text}]}
    return Release.of({"metadata": {"labels": {}}, "spec": {"containers": [container]}})


def plain(size):
    return "a line of a template that is as any other\n" * (size // 42)


def noise(size, seed=1):
    """What no packing makes small."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=size))


def stored(*releases, outcome=Phase.HEALTHY):
    """The data of a ledger after these releases, each written down as a run does."""
    written = []

    def store(records):
        data = ledger.encode(records)
        assert sum(len(key) + len(text.encode()) for key, text in data.items()) < CONFIG_MAP
        written.append(data)

    book = Book((), store, keep=30, now=lambda: NOW)
    for one in releases:
        book = Book(ledger.decode(written[-1]) if written else (), store, keep=30, now=lambda: NOW)
        book.begin(one, TrackName.STABLE, "rolling", {})
        book.finish(outcome)
    return written[-1]


@pytest.mark.parametrize(("size", "count"), [(60_000, 24), (100_000, 14)])
def test_templates_of_more_than_a_mebibyte_are_all_kept(size, count):
    every = [release(n, plain(size)) for n in range(count)]
    assert sum(len(it.template) for it in every) > 1.37e6
    assert [it.release for it in ledger.decode(stored(*every))] == every


def test_where_packing_does_not_help_the_oldest_go_and_never_what_is_live_or_the_way_back():
    every = [release(n, noise(100_000, n)) for n in range(14)]
    left = [it.release for it in ledger.decode(stored(*every))]
    assert left == every[-len(left) :]
    assert len(left) > 3

    failed = [release(n, noise(100_000, n)) for n in range(20, 34)]
    data = stored(*every[:2])
    book = Book(ledger.decode(data), lambda records: data.update(new=ledger.encode(records)), keep=30, now=lambda: NOW)
    for one in failed:
        book.begin(one, TrackName.STABLE, "rolling", {})
        book.finish(Phase.DEGRADED)
    known = ledger.decode(data["new"])
    assert [it.release for it in known if it.outcome is Phase.HEALTHY] == every[:2]
    assert known[-1].release == failed[-1]


def test_where_even_those_are_too_many_one_line_says_so():
    with pytest.raises(UserError, match="move what is long in them") as told:
        stored(*(release(n, noise(700_000, n)) for n in range(2)))
    assert "\n" not in str(told.value)


def test_what_the_checks_measured_goes_before_a_way_back():
    at = NOW.isoformat()
    moments = tuple(Moment(Event.STEP, at, {"x" * 5000: 1}) for _ in range(100))
    records = [Record(n, release(n, noise(100_000, n)), Phase.HEALTHY, at, at, 1.0, timeline=moments) for n in (1, 2)]
    assert [it.release for it in ledger.decode(ledger.encode(records))] == [it.release for it in records]


def test_a_ledger_that_fits_is_written_as_before_for_people_and_for_earlier_versions():
    data = stored(release(1, "x"))
    assert json.loads(data["000001"])["template"]["spec"]["containers"][0]["image"] == "r.example.com/web:1"


def test_a_packed_template_that_explodes_is_no_record():
    """1 MiB of a ConfigMap could stand for a gigabyte."""
    bomb = pack('{"metadata": {"annotations": {"x": "' + " " * 300_000_000 + '"}}}')
    assert len(bomb) < CONFIG_MAP
    data = stored(release(1, "x"))
    forged = json.loads(data["000001"]) | {"packed": bomb}
    assert ledger.decode(data | {"000002": json.dumps(forged)}) == ledger.decode(data)


@pytest.mark.parametrize("damage", [lambda it: it[:-8], lambda it: "!" + it, lambda it: "", lambda it: it[8:]])
def test_a_damaged_one_is_told_by_a_value_error(damage):
    with pytest.raises(ValueError, match=r"."):
        unpack(damage(pack(plain(5000))), 10_000)
    assert unpack(pack(plain(5000)), 10_000) == plain(5000)


def test_sequence_numbers_go_on_beyond_what_sorts_as_text():
    at = NOW + timedelta(days=1)
    records = [Record(n, release(n, ""), Phase.HEALTHY, at.isoformat(), at.isoformat(), 1.0) for n in (999_999, 10**6)]
    assert [it.sequence for it in ledger.decode(ledger.encode(records))] == [999_999, 10**6]
