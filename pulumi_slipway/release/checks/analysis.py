"""Runs a release's checks side by side until they have a verdict.

One thread owns all that is known and speaks to the caller; each measurement is made in a thread of its own.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pulumi_slipway.cluster.time_limit import Stopped
from pulumi_slipway.release.checks.clock import Clock, RealClock
from pulumi_slipway.release.checks.model import Measurement, Reading, Status, Verdict
from pulumi_slipway.release.checks.tally import Tally
from pulumi_slipway.release.checks.wording import one_line, redacted
from pulumi_slipway.settings.checks import Check

Measure = Callable[[int, threading.Event], Reading]
"""Takes one measurement: its number, from 1, and the event that says to give up (then it raises Stopped)."""

ERROR_RETRY_SECONDS = 10.0
"""What could not be measured is tried again after the interval, or this where it is less. Argo's, too."""

CLEANUP_SECONDS = 30.0
"""For what is still measured at the end: a process is killed, a Job deleted."""


@dataclass
class Course:
    """One check on its way."""

    name: str
    check: Check
    measure: Measure
    tally: Tally
    due: float
    """When its next measurement is to begin."""
    measurements: list[Measurement] = field(default_factory=list)
    attempts: int = 0
    running: bool = False

    def verdict(self) -> Verdict:
        """What follows from what was measured so far."""
        limits = self.check.prometheus.limits if self.check.prometheus else {}
        message = self.tally.message(self.name)
        return Verdict(self.name, self.tally.status, message, tuple(self.measurements), limits)


@dataclass(frozen=True)
class Done:
    """What a measurement's thread sends home: a reading, or None where it was given up."""

    course: Course
    reading: Reading | None


@dataclass
class Analysis:
    """The checks of one target, and whom to tell."""

    measures: Mapping[str, tuple[Check, Measure]]
    seconds: float | None
    """How long to measure; None: until each check has its count."""
    tell: Callable[[str], None]
    measured: Callable[[Measurement], None]
    secrets: Sequence[str] = ()
    """What must not be shown, whatever a program or an error's text says."""
    clock: Clock = field(default_factory=RealClock)
    _inbox: "queue.Queue[Done]" = field(default_factory=queue.Queue, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)

    def run(self) -> tuple[Verdict, ...]:
        """Measures until the end; the first check that ends other than Successful is the end of all."""
        begin = self.clock.now()
        until = None if self.seconds is None else begin + self.seconds
        courses = [self._course(name, begin, until) for name in self.measures]
        try:
            while not self._over(courses, until):
                self._start_due(courses, until)
                self._receive(courses, self._pause(courses, until))
        finally:
            self._stop.set()
            self._clean_up(courses)
        return tuple(course.verdict() for course in courses)

    def _course(self, name: str, begin: float, until: float | None) -> Course:
        check, measure = self.measures[name]
        count = check.count or (1 if until is None else None)
        due = begin + check.initial_delay
        # However long its delay, a check that is never measured would say nothing of the release.
        return Course(name, check, measure, Tally(check, count), due if until is None else min(due, until))

    def _over(self, courses: list[Course], until: float | None) -> bool:
        if any(course.tally.ended and course.tally.status is not Status.SUCCESSFUL for course in courses):
            return True
        if any(course.running or self._to_come(course, until) for course in courses):
            return False
        return until is None or self.clock.now() >= until

    def _to_come(self, course: Course, until: float | None) -> bool:
        return not course.tally.ended and (until is None or course.due <= until)

    def _start_due(self, courses: list[Course], until: float | None) -> None:
        for course in courses:
            if self._to_come(course, until) and not course.running and course.due <= self.clock.now():
                self._start(course)

    def _start(self, course: Course) -> None:
        course.running = True
        course.attempts += 1
        course.due += course.check.interval

        def work(number: int) -> None:
            try:
                reading: Reading | None = course.measure(number, self._stop)
            except Stopped:
                reading = None
            except Exception as error:  # whatever it is, the run must get its verdict, and this is never a good one
                reading = Reading(Status.ERROR, f"{type(error).__name__}: {error}")
            self._inbox.put(Done(course, reading))

        threading.Thread(target=work, args=(course.attempts,), daemon=True).start()

    def _pause(self, courses: list[Course], until: float | None) -> float | None:
        """Seconds until something has to be done, if nothing comes in before."""
        moments = [course.due for course in courses if not course.running and self._to_come(course, until)]
        if until is not None and self.clock.now() < until:
            moments.append(until)
        return max(0.0, min(moments) - self.clock.now()) if moments else None

    def _receive(self, courses: list[Course], seconds: float | None) -> None:
        done = self.clock.take(self._inbox, seconds, busy=any(course.running for course in courses))
        if done is not None:
            self._count(done)

    def _count(self, done: Done) -> None:
        course = done.course
        course.running = False
        if done.reading is None:
            return
        reading = replace(
            done.reading, reason=self._shown(done.reading.reason), output=self._shown(done.reading.output)
        )
        course.tally.add(reading)
        now = self.clock.now()
        if reading.status is Status.ERROR:
            course.due = now + min(course.check.interval, ERROR_RETRY_SECONDS)
        else:
            course.due = max(course.due, now)
        at = self.clock.today().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = f"{reading.reason} | {reading.output}" if reading.output else reading.reason
        measurement = Measurement(course.name, at, reading.status, reading.value, message)
        course.measurements.append(measurement)
        self.measured(measurement)
        self.tell(f"{course.name} {reading.status}: {message}")

    def _shown(self, text: str) -> str:
        return one_line(redacted(text, self.secrets))

    def _clean_up(self, courses: list[Course]) -> None:
        """Waits until what is under way has ended; what came in just before the end still counts.

        By the real clock: the other may be what ended the analysis, and refuse to wait any more.
        """
        clock, late = RealClock(), []
        give_up = clock.now() + CLEANUP_SECONDS
        while any(course.running for course in courses) and (left := give_up - clock.now()) > 0:
            if done := clock.take(self._inbox, left, busy=True):
                done.course.running = False
                late.append(done)
        for done in late:  # not before all has ended: whom we tell may raise
            self._count(done)
