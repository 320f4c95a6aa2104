"""The report of a release: what it shows, and that nothing from outside can become a part of its page."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pulumi_slipway import report
from pulumi_slipway.core.model import CheckResult, Event, Moment, Phase, Record, Release, TrackName
from pulumi_slipway.report import charts, page, svg, words

START = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
NOW = START + timedelta(minutes=10)
VOID = {"meta", "link", "img", "br", "hr", "input"}
SCRIPT = "<script>alert(1)</script>"


def at(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def release(letter):
    container = {"name": "myapp", "image": f"registry/app@sha256:{letter * 64}"}
    return Release.of({"metadata": {"labels": {}}, "spec": {"containers": [container]}})


V1, V2, V3 = release("1"), release("2"), release("3")
BEFORE = Record(1, V1, Phase.HEALTHY, at(-900), at(-870), 30.0, provenance={"commit": "0ld0ld0ld0ld"})
MOMENTS = (
    Moment(Event.BEGUN, at(0), {V1.id: 4}, track=TrackName.CANARY),
    Moment(Event.READY, at(10), {V1.id: 4, V2.id: 1}, track=TrackName.CANARY),
    Moment(Event.STEP, at(11), {V1.id: 4, V2.id: 1}, step=1, weight=20),
    Moment(Event.OUTCOME, at(60), {V2.id: 4}, outcome=Phase.HEALTHY),
)
ERRORS = CheckResult(
    "error-rate",
    "Failed",
    "error-rate Failed: 0.08 is above 0.05",
    {"max": 0.05},
    ((at(20), 0.01, "Successful"), (at(30), None, "Error"), (at(40), 0.08, "Failed")),
)


def record(**changes):
    told = {
        "sequence": 2,
        "release": V2,
        "outcome": Phase.HEALTHY,
        "started": at(0),
        "finished": at(60),
        "seconds": 60.0,
        "provenance": {"commit": "c0ffee001122", "pipeline": "4711", "actor": "ada"},
        "track": TrackName.CANARY,
        "strategy": "canary",
        "steps": 2,
        "checks": (ERRORS,),
        "timeline": MOMENTS,
    }
    return Record(**{**told, **changes})


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, texts, and whether all is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def having(self, *classes):
        return [it for it in self.elements if set(classes) <= set((it[1].get("class") or "").split())]


def drawn(*records):
    return Page(page.page("production", "myapp", records or (BEFORE, record()), NOW))


def test_the_banner_says_what_came_of_the_release():
    shown = drawn()
    assert f"Healthy Release {V2.id} is live" in shown.text
    assert shown.having("healthy")[0][0] == "header"


@pytest.mark.parametrize(
    ("outcome", "message", "said"),
    [
        (Phase.DEGRADED, "error-rate Failed: 0.08 is above 0.05", "did not become Healthy"),
        (Phase.PAUSED, "step 1 of 2: SLIPWAY_ACTION=promote goes on", "waits to be promoted"),
        (Phase.PROGRESSING, "", "is under way"),
    ],
)
def test_a_release_that_is_not_live_says_so_and_why(outcome, message, said):
    finished = "" if outcome is Phase.PROGRESSING else at(60)
    shown = drawn(BEFORE, record(outcome=outcome, message=message, finished=finished))
    banner = shown.text.partition("Release ")[2]
    assert f"{V2.id} {said} {message}".strip() in banner
    assert shown.having(outcome.lower())[0][0] == "header"


def test_it_says_what_was_released_by_whom_and_how_long_it_took():
    text = drawn().text
    for fact in ("myapp in production", V2.image, "canary", "c0ffee001122", "4711", "ada", "2026-11-25 14:00:00 UTC"):
        assert fact in text
    assert "Duration 1 min" in text


def test_a_release_under_way_is_as_long_as_it_has_lasted():
    assert "Duration 10 min" in drawn(record(outcome=Phase.PROGRESSING, finished="", seconds=0.0)).text


def test_every_moment_of_the_timeline_is_drawn_with_its_name():
    shown = Page(charts.steps(record(), NOW))
    assert len(shown.having("bar")) == len(MOMENTS)
    for told in ("begun on canary", "canary ready", "step 1/2, 20 %", "Healthy"):
        assert told in shown.texts
    bar = dict(shown.having("bar", "step")[0][1])
    begin, end = float(bar["x"]), float(bar["x"]) + float(bar["width"])
    across = svg.Scale(0, 60 * (1 + charts.TAIL), charts.LEFT, charts.RIGHT)
    assert (begin, end) == (pytest.approx(across(11), abs=0.1), pytest.approx(across(60), abs=0.1))


def test_the_share_of_each_release_is_drawn_as_high_as_it_was_and_the_one_before_is_grey():
    shown = drawn()
    high = [float(it["height"]) for _, it in shown.having("share", "this")]
    assert high == [pytest.approx(160 * share) for share in (0.2, 0.2, 1.0)]
    assert len(shown.having("share", "before")) == 3
    assert "this release" in shown.text
    assert "the one before" in shown.text


def test_pods_of_a_third_release_have_a_colour_of_their_own():
    shown = drawn(BEFORE, record(timeline=(Moment(Event.BEGUN, at(0), {V3.id: 1, V1.id: 1}),)))
    assert len(shown.having("share", "other-1")) == 1


def test_a_release_that_reached_nobody_is_in_the_legend_all_the_same():
    shown = Page(
        charts.shares(record(timeline=MOMENTS[:1]), *page._colours((BEFORE, record(timeline=MOMENTS[:1]))), NOW)
    )
    assert V2.id in shown.texts
    assert shown.having("share", "this") == []


def test_values_are_drawn_against_their_thresholds_and_a_missing_one_is_a_gap():
    shown = drawn()
    assert len(shown.having("threshold")) == 1
    assert "max 0.05" in shown.texts
    limit = float(shown.having("threshold")[0][1]["y1"])
    good, bad = (float(it["cy"]) for _, it in shown.having("dot"))
    assert bad < limit < good  # higher up is nearer to the top
    assert [it for tag, it in shown.elements if tag == "polyline"] == []  # the one in between is missing


def test_values_in_a_row_are_joined_by_a_line():
    check = CheckResult("p95", "Successful", "", {"min": 0.1}, ((at(1), 0.2, "Successful"), (at(2), 0.3, "Successful")))
    (line,) = [it for tag, it in Page(charts.values(check)).elements if tag == "polyline"]
    assert len(line["points"].split()) == 2


def test_a_single_value_is_no_chart():
    assert charts.values(CheckResult("p95", "Successful", "", {"max": 1.0}, ((at(1), 0.2, "Successful"),))) == ""


def test_a_check_without_numbers_has_its_statuses_and_no_chart():
    check = CheckResult("answers", "Successful", "it answers", {}, ((at(1), None, "Successful"),))
    assert charts.values(check) == ""
    shown = drawn(record(checks=(check,)))
    assert "it answers" in shown.texts
    assert ("circle", "successful") in [(tag, it.get("class")) for tag, it in shown.elements]


@pytest.mark.parametrize(
    "poisoned",
    [
        {"message": SCRIPT},
        {"provenance": {"commit": SCRIPT, "ref": f'"{SCRIPT}', "actor": SCRIPT, "pipelineUrl": f'https://x/"{SCRIPT}'}},
        {"provenance": {"pipelineUrl": "javascript:alert(1)", "pipeline": "1"}},
        {"strategy": SCRIPT},
        {"timeline": (Moment(None, at(0), {f'"{SCRIPT}': 1}, text=SCRIPT),)},
        {"checks": (CheckResult(SCRIPT, f'"{SCRIPT}', SCRIPT, {SCRIPT: 1.0}, ((at(1), 1.0, f'"{SCRIPT}'),)),)},
    ],
)
def test_what_pods_and_scripts_say_stays_text(poisoned):
    shown = drawn(BEFORE, record(**poisoned))
    tags = {tag for tag, _ in shown.elements}
    assert "script" not in tags
    attributes = {name for _, it in shown.elements for name in it}
    assert not {name for name in attributes if name.startswith("on") or "<" in name or '"' in name}
    assert [it for _, it in shown.elements if str(it.get("href", "")).startswith("javascript")] == []


def test_a_planted_script_is_shown_to_people_as_it_was_written():
    assert f"it said {SCRIPT}" in drawn(record(message=f"it said {SCRIPT}")).texts


def test_it_needs_nothing_from_anywhere_else():
    shown = drawn(BEFORE, record(provenance={"pipelineUrl": "https://gitlab.example.com/p/1", "pipeline": "1"}))
    assert not {tag for tag, _ in shown.elements} & {"script", "link", "img", "iframe", "object", "embed"}
    assert not [it for tag, it in shown.elements if "src" in it or "xlink:href" in it]
    assert [it["href"] for tag, it in shown.elements if "href" in it] == ["https://gitlab.example.com/p/1"]
    style = page.STYLE.read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_the_last_five_releases_are_listed_newest_first():
    older = [Record(n, V1, Phase.HEALTHY, at(-n), at(-n), 100.0 + n) for n in range(6)]
    shown = drawn(*older, record(checks=()))
    rows = [i for i, (tag, _) in enumerate(shown.elements) if tag == "tr"]
    assert len(rows) == 1 + 5


def test_a_record_without_moments_and_checks_still_makes_a_page():
    shown = drawn(record(timeline=(), checks=()))
    assert "svg" not in {tag for tag, _ in shown.elements}
    assert "is live" in shown.text


def test_one_moment_with_no_pods_makes_a_page():
    moment = Moment(Event.READY, at(0), {}, track=TrackName.STABLE)
    assert "stable ready" in drawn(record(timeline=(moment,), finished=at(0))).texts


def test_it_is_written_whole_under_the_names_of_environment_and_workload(tmp_path):
    there = tmp_path / "deep" / "er"
    path = report.write(there, "production", "myapp", (BEFORE, record()), NOW)
    assert path == there / "production-myapp.html"
    assert path.read_text().endswith("</html>\n")
    assert [it.name for it in there.iterdir()] == [path.name]


def test_an_empty_ledger_makes_no_report(tmp_path):
    assert report.write(tmp_path / "none", "production", "myapp", ()) is None
    assert not (tmp_path / "none").exists()


def test_where_it_cannot_be_written_nothing_half_is_left(tmp_path, monkeypatch):
    path = report.write(tmp_path, "production", "myapp", (record(),), NOW)
    before = path.read_text()

    def full(half, text, **_):
        half.write_bytes(text[:100].encode())
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        report.write(tmp_path, "production", "myapp", (record(message="new"),), NOW)
    assert path.read_text() == before
    assert [it.name for it in tmp_path.iterdir()] == [path.name]


def test_the_directory_is_the_variable_s_or_the_project_s():
    assert str(report.directory({})) == "slipway-report"
    assert str(report.directory({"SLIPWAY_REPORT_DIR": "/tmp/there"})) == "/tmp/there"


@pytest.mark.parametrize(("low", "high"), [(0, 0.08), (0.95, 1.0), (-3, 12), (0, 1e6), (5, 5)])
def test_an_axis_has_a_few_round_values_within_its_bounds(low, high):
    ticks = svg.round_ticks(low, high)
    assert 1 <= len(ticks) <= 10
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)


@pytest.mark.parametrize("seconds", [0.1, 7, 300, 4000, 90_000, 3_000_000])
def test_an_axis_of_time_begins_at_0_and_stays_readable(seconds):
    ticks = svg.time_ticks(seconds)
    assert ticks[0] == 0
    assert len(ticks) <= 8
    assert ticks[-1] <= seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0 s"),
        (4.24, "4.2 s"),
        (59.9, "59.9 s"),
        (60, "1 min"),
        (3725, "1 h 2 min"),
        (90061, "1 d 1 h"),
        (86400, "1 d"),
    ],
)
def test_how_long_is_told_in_two_units(seconds, text):
    assert words.lasting(seconds) == text


@pytest.mark.parametrize(
    ("image", "short"),
    [("r/app@sha256:" + "ab" * 32, "abababab"), ("registry:5000/group/app:v1.2", "app:v1.2"), ("app", "app")],
)
def test_an_image_is_told_by_the_start_of_its_digest_or_by_its_tag(image, short):
    assert words.digest(image) == short
