"""The analysis: when it measures, when it ends, whom it tells; with a clock of the test's own."""

import queue
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster, User

from pulumi_slipway.cluster.time_limit import Stopped
from pulumi_slipway.release import checks
from pulumi_slipway.release.checks import analysis
from pulumi_slipway.release.checks.analysis import Analysis
from pulumi_slipway.release.checks.clock import RealClock
from pulumi_slipway.release.checks.model import Reading, Status, Target
from pulumi_slipway.settings.checks import Check

S, F, E, I = Status.SUCCESSFUL, Status.FAILED, Status.ERROR, Status.INCONCLUSIVE  # noqa: E741
TARGET = Target("myapp", "staging", "ns", "canary", "canary", "abc", "img@sha256:1", None, 3000, None, {})


class Clock:
    """Stands still while something is measured, and jumps to the next thing to do."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time

    def today(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    def take(self, inbox, seconds, *, busy):
        if busy:
            return inbox.get(timeout=10)
        assert seconds is not None, "it would wait for ever"
        self.time += seconds
        return None


class Script:
    """Measures what is written, the last of it for ever, and notes when."""

    def __init__(self, clock, *statuses, lasts=0.0):
        self.clock, self.statuses, self.lasts, self.at, self.numbers = clock, list(statuses), lasts, [], []

    def __call__(self, number, stop):
        self.at.append(self.clock.time)
        self.numbers.append(number)
        self.clock.time += self.lasts
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, Exception):
            raise status
        return status if isinstance(status, Reading) else Reading(status, "why", 1.5)


def hangs(number, stop):
    """Until it is told to stop."""
    assert stop.wait(10)
    raise Stopped


def check(**settings_):
    return Check.model_validate({"command": ["x"], **settings_})


class Scene:
    def __init__(self, seconds=None, secrets=()):
        self.clock, self.seconds, self.secrets = Clock(), seconds, secrets
        self.measures, self.told, self.measured = {}, [], []

    def add(self, name, *statuses, lasts=0.0, **settings_):
        self.measures[name] = (check(**settings_), Script(self.clock, *statuses, lasts=lasts))
        return self.measures[name][1]

    def run(self):
        it = Analysis(self.measures, self.seconds, self.told.append, self.measured.append, self.secrets, self.clock)
        return it.run()


def alone(seconds, *statuses, lasts=0.0, **settings_):
    """One check: when it was measured, what came out, and when it was over."""
    scene = Scene(seconds)
    script = scene.add("a", *statuses, lasts=lasts, **settings_)
    (verdict,) = scene.run()
    return script.at, verdict.status, scene.clock.time


# Without a given time


def test_it_is_measured_once_by_default():
    assert alone(None, S) == ([0], S, 0)


def test_it_is_measured_as_often_as_it_says_every_interval():
    assert alone(None, S, count=3, interval="5s", initialDelay="2s") == ([2, 7, 12], S, 12)


def test_the_interval_is_from_one_beginning_to_the_next():
    assert alone(None, S, count=3, interval="5s", lasts=2)[0] == [0, 5, 10]


def test_a_measurement_longer_than_the_interval_is_not_overtaken():
    assert alone(None, S, count=3, interval="5s", lasts=8)[0] == [0, 8, 16]


def test_what_could_not_be_measured_is_tried_again_sooner_than_a_long_interval():
    assert alone(None, E, E, S, interval="1m") == ([0, 10, 20], S, 20)
    assert alone(None, E, E, S, interval="3s") == ([0, 3, 6], S, 6)


def test_it_ends_as_soon_as_a_limit_is_exceeded():
    assert alone(None, S, F, S, count=9, interval="1s") == ([0, 1], F, 1)
    assert alone(None, S, F, F, S, count=9, failureLimit=1, interval="1s") == ([0, 1, 2], F, 2)
    assert alone(None, I, count=9, interval="1s") == ([0], I, 0)
    assert alone(None, E, consecutiveErrorLimit=2, interval="1s") == ([0, 1, 2], E, 2)


# For a given time


def test_in_a_given_time_it_is_measured_every_interval_to_its_very_end():
    assert alone(60, S, interval="20s") == ([0, 20, 40, 60], S, 60)


def test_its_count_is_the_most_and_the_time_is_waited_out():
    assert alone(60, S, interval="20s", count=2) == ([0, 20], S, 60)


def test_a_delay_beyond_the_end_still_leaves_one_measurement():
    assert alone(30, S, initialDelay="5m") == ([30], S, 30)
    assert alone(30, F, initialDelay="5m") == ([30], F, 30)


def test_what_begins_before_the_end_is_waited_for():
    assert alone(30, S, initialDelay="30s", lasts=8) == ([30], S, 38)


def test_a_failure_does_not_wait_for_the_end():
    assert alone(300, S, F, interval="10s") == ([0, 10], F, 10)


def test_a_time_full_of_errors_is_an_error_and_one_full_of_nothing_inconclusive():
    assert alone(20, E, interval="10s", consecutiveErrorLimit=9)[1] is E
    assert alone(20, I, interval="10s", inconclusiveLimit=9)[1] is I
    assert alone(20, F, interval="10s", failureLimit=9)[1] is F


def test_without_checks_it_is_a_wait():
    scene = Scene(45)
    assert scene.run() == ()
    assert scene.clock.time == 45
    scene = Scene(None)
    assert scene.run() == ()
    assert scene.clock.time == 0


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(Status), min_size=1, max_size=6),
    st.integers(0, 40),
    st.integers(1, 15),
    st.integers(0, 50),
)
def test_a_given_time_is_kept_and_nothing_is_good_by_default(statuses, seconds, interval, delay):
    at, status, end = alone(seconds, *statuses, interval=interval, initialDelay=delay)
    assert at  # measured, whatever the times are
    assert max(at) <= seconds
    taken = [statuses[min(i, len(statuses) - 1)] for i in range(len(at))]
    assert status is not S or S in taken
    assert end == seconds if status is S else end <= seconds


# Several


def test_checks_are_measured_at_the_same_time():
    together = threading.Barrier(2, timeout=10)  # breaks unless both are there

    def measure(number, stop):
        together.wait()
        return Reading(S, "met")

    scene = Scene()
    scene.measures = {name: (check(), measure) for name in "ab"}
    assert [verdict.status for verdict in scene.run()] == [S, S]


def test_the_first_that_fails_ends_all_and_the_others_have_what_they_measured_so_far():
    scene = Scene(300)
    scene.add("good", S)
    scene.add("bad", F)
    scene.measures["hanging"] = (check(), hangs)
    verdicts = {verdict.check: verdict for verdict in scene.run()}
    assert [verdicts[name].status for name in ("good", "bad", "hanging")] == [S, F, I]
    assert verdicts["hanging"].message == "hanging Inconclusive: it was not measured"
    assert verdicts["hanging"].measurements == ()
    assert scene.clock.time == 0


def test_what_is_measured_to_its_end_just_then_still_counts():
    failed = threading.Event()

    def late(number, stop):
        stop.wait(10)
        return Reading(S, "in time")

    def bad(number, stop):
        failed.set()
        return Reading(F, "bad")

    scene = Scene()
    scene.measures = {"late": (check(), late), "bad": (check(), bad)}
    assert [verdict.status for verdict in scene.run()] == [S, F]
    assert scene.told == ["bad Failed: bad", "late Successful: in time"]


def test_what_does_not_stop_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(analysis, "CLEANUP_SECONDS", 0.1)
    release = threading.Event()

    def stubborn(number, stop):
        release.wait(10)
        return Reading(S, "too late")

    it = Analysis(
        {"a": (check(), stubborn), "b": (check(), lambda number, stop: Reading(F, "bad"))}, None, print, print
    )
    assert [verdict.status for verdict in it.run()] == [I, F]
    release.set()


def test_one_that_ends_without_a_good_measurement_ends_all():
    scene = Scene(300)
    scene.add("good", S)
    scene.add("odd", F, F, count=2, failureLimit=1, interval="10s")
    assert [verdict.status for verdict in scene.run()] == [S, F]
    assert scene.clock.time == 10


# Telling


def test_each_measurement_is_told_in_one_line_and_handed_over():
    scene = Scene(None, secrets=("planted-token",))
    reading = Reading(
        F, "bad answer of https://user:pw@host/ with planted-token", 0.62, "one\n\x1b[31mtwo\r\nplanted-token"
    )
    scene.add("smoke", reading)
    (verdict,) = scene.run()
    line = "bad answer of https://host/ with [MASKED] | one | two | [MASKED]"
    assert scene.told == [f"smoke Failed: {line}"]
    assert scene.measured == list(verdict.measurements)
    (measurement,) = verdict.measurements
    assert (measurement.at, measurement.value, measurement.message) == ("2026-01-01T00:00:00.000Z", 0.62, line)


def test_the_verdict_is_fit_for_the_ledger_a_programs_output_is_not_in_it():
    scene = Scene()
    scene.add("smoke", Reading(F, "exit status 1", None, "password=hunter2"))
    (verdict,) = scene.run()
    assert verdict.message == "smoke Failed: exit status 1 (1 of 1 measurements, failureLimit 0)"


def test_it_is_told_in_the_callers_thread():
    scene, threads = Scene(), []
    scene.add("a", S, count=2, interval="1s")
    Analysis(
        scene.measures, None, lambda _: threads.append(threading.current_thread()),
        lambda _: threads.append(threading.current_thread()), (), scene.clock,
    ).run()  # fmt: skip
    assert set(threads) == {threading.current_thread()}
    assert len(threads) == 4


def test_a_listener_that_raises_is_heard_after_everything_has_stopped():
    stopped = threading.Event()

    def hanging(number, stop):
        stop.wait(10)
        stopped.set()
        raise Stopped

    def tell(line):
        raise KeyboardInterrupt

    measures = {"hanging": (check(), hanging), "a": (check(), lambda number, stop: Reading(S, "fine"))}
    with pytest.raises(KeyboardInterrupt):
        Analysis(measures, None, tell, lambda _: None).run()
    assert stopped.is_set()


def test_a_clock_that_refuses_to_wait_on_is_obeyed_after_everything_has_stopped():
    begun, stopped = threading.Event(), threading.Event()

    def hanging(number, stop):
        begun.set()
        stop.wait(10)
        time.sleep(0.05)  # a Job is deleted
        stopped.set()
        raise Stopped

    class Refusing(RealClock):
        def take(self, inbox, seconds, *, busy):
            assert begun.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Analysis({"a": (check(), hanging)}, None, print, print, (), Refusing()).run()
    assert stopped.is_set()


def test_whatever_a_measurement_raises_is_an_error_of_it():
    scene = Scene()
    scene.add("a", KeyError("Content-Type"), S, interval="1s")
    (verdict,) = scene.run()
    assert verdict.status is S
    assert [it.message for it in verdict.measurements] == ["KeyError: 'Content-Type'", "why"]


def test_attempts_are_numbered():
    scene = Scene()
    script = scene.add("a", S, E, S, count=3, interval="1s")
    scene.run()
    assert script.numbers == [1, 2, 3, 4]


# With the real clock and real checks


def test_run_measures_real_commands_side_by_side(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = []
    verdicts = checks.run(
        None, {"good": check(command=["sh", "-c", "echo 0.5"]), "odd": check(command=["sh", "-c", "exit 75"])},
        TARGET, seconds=None, prometheus=None, tell=told.append, environment={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert verdicts[1].status is I
    assert "odd Inconclusive: exit status 75" in told


def test_a_verdict_carries_the_limits_of_what_has_some():
    two = {
        "rate": Check.model_validate({"prometheus": {"preset": "success-rate"}, "consecutiveErrorLimit": 0}),
        "smoke": check(initialDelay="5m"),
    }
    verdicts = checks.run(None, two, TARGET, seconds=None, prometheus=None, tell=print, environment={})
    assert [verdict.threshold for verdict in verdicts] == [{"min": 0.99}, {}]
    assert verdicts[0].message.startswith("rate Error: no Prometheus to ask")


def test_an_api_server_that_is_away_is_an_error_and_not_an_exception():
    def away(request):
        raise httpx2.ConnectError("[Errno 111] Connection refused")

    config = KubeConfig.from_one(cluster=Cluster(server="https://k8s.example.com"), user=User(token="planted-token"))
    client = Client(config, transport=httpx2.MockTransport(away))
    for kind in ({"http": {"path": "/"}}, {"job": {"args": ["x"]}}):
        it = Check.model_validate({**kind, "consecutiveErrorLimit": 0})
        (verdict,) = checks.run(client, {"a": it}, TARGET, seconds=None, prometheus=None, tell=print)
        assert verdict.status is E
        assert "the API server does not answer: [Errno 111] Connection refused" in verdict.message


def test_the_real_clock_waits_and_tells_the_time():
    clock, inbox = RealClock(), queue.Queue()
    before = clock.now()
    assert clock.take(inbox, 0.02, busy=False) is None
    assert clock.now() - before >= 0.02
    inbox.put("done")
    assert clock.take(inbox, None, busy=True) == "done"
    assert abs((clock.today() - datetime.now(UTC)).total_seconds()) < 60
