"""What `status` says of the objects in a namespace, and how it says it."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from pulumi_slipway.cli import read, render, status
from pulumi_slipway.cli.workloads import workloads
from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.model import Phase, Pool, Record, Release, TrackName
from pulumi_slipway.release import ledger, manifests
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.pod_template import pod_template
from pulumi_slipway.settings import Environment, Workload

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
SUBJECT = Subject("myapp", Environment(name="staging", namespace="apps"), Workload())
BLUE, GREEN, STABLE, CANARY = TrackName.BLUE, TrackName.GREEN, TrackName.STABLE, TrackName.CANARY


def release(letter, subject=SUBJECT):
    return Release.of(pod_template(subject, f"registry/app@sha256:{letter * 64}", None)[0])


V1, V2 = release("1"), release("2")


def ago(**units):
    return (NOW - timedelta(**units)).isoformat(timespec="seconds")


def record(sequence, of, outcome=Phase.HEALTHY, **changes):
    ended = "" if outcome is Phase.PROGRESSING else ago(minutes=9)
    made = Record(sequence, of, outcome, ago(minutes=10), ended, 60.0, provenance={"commit": "c0ffee00112233"})
    return replace(made, **changes)


def deployment(track, of, wanted=3, available=None, updated=None, subject=SUBJECT):
    """A track as the API server shows it."""
    made = manifests.deployment(subject, track, of.pod_template(track), wanted)
    status = {
        "replicas": wanted,
        "updatedReplicas": wanted if updated is None else updated,
        "availableReplicas": wanted if available is None else available,
        "observedGeneration": 1,
    }
    return {**made, "metadata": {**made["metadata"], "generation": 1}, "status": status}


def namespace(deployments=(), pool=Pool.MAIN, records=(), preview=None, subject=SUBJECT):
    """A namespace with one workload."""
    book = {"metadata": subject.metadata(ledger.SUFFIX), "data": ledger.encode(tuple(records))}
    services = [manifests.service(subject, pool)] if pool else []
    services += [manifests.preview_service(subject, preview)] if preview else []
    found = {"Deployment": deployments, "Service": services, "ConfigMap": [book] if records else []}
    return {kind: {item["metadata"]["name"]: item for item in items} for kind, items in found.items()}


def view(**of):
    (only,) = workloads({"apps": namespace(**of)}, NOW)
    return only


def shown(views, where=("apps",), width=80, note=""):
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(render.page(views, where, note))
    return out.getvalue()


def test_a_healthy_workload_whose_live_track_is_complete_is_healthy():
    seen = view(deployments=[deployment(STABLE, V1)], records=[record(1, V1)])
    assert (seen.phase, seen.reasons, seen.live.release) == ("Healthy", (), V1.id)
    assert seen.live.commit == "c0ffee00112233"


def test_a_healthy_record_whose_live_track_lacks_a_pod_is_shown_degraded_with_the_count():
    seen = view(deployments=[deployment(STABLE, V1, available=2)], records=[record(1, V1)])
    assert (seen.phase, seen.reasons) == ("Degraded", ("2 of 3 available",))
    assert "2 of 3 available" in shown([seen])
    assert "2/3" in shown([seen])


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        ({"deployments": [], "records": [record(1, V1)]}, "the Deployment of the live release is gone"),
        (
            {"deployments": [deployment(STABLE, V1)], "records": [record(1, V1)], "pool": None},
            "the Service does not send to stable",
        ),
        (
            {"deployments": [deployment(STABLE, V1, updated=1)], "records": [record(1, V1)]},
            "1 of 3 updated",
        ),
    ],
)
def test_a_healthy_record_that_the_cluster_contradicts_is_shown_degraded(of, reason):
    seen = view(**of)
    assert (seen.phase, seen.reasons) == ("Degraded", (reason,))


def test_an_image_set_by_hand_is_told():
    changed = deployment(STABLE, V1)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "registry/app@sha256:" + "9" * 64
    seen = view(deployments=[changed], records=[record(1, V1)])
    assert seen.phase == "Degraded"
    assert "changed by hand" in seen.reasons[0]


@pytest.mark.parametrize("later", [(), (record(2, V2),)], ids=["as the ledger has it", "set by hand"])
def test_a_live_image_that_is_rejected_is_told_so(later):
    seen = view(deployments=[deployment(STABLE, V1)], records=[record(1, V1, rejected="by jane"), *later])
    assert seen.live.rejected == "by jane"
    assert "rejected  by jane: no environment takes it from here" in shown([seen])


def test_a_live_image_of_which_another_release_is_rejected_is_not():
    seen = view(deployments=[deployment(STABLE, V2)], records=[record(1, V1, rejected="by jane"), record(2, V2)])
    assert seen.live.rejected == ""
    assert "rejected" not in shown([seen])


def test_a_release_that_failed_is_told_with_its_reason_while_the_one_before_it_is_live():
    failed = record(2, V2, Phase.DEGRADED, message="answers Failed: 500")
    seen = view(deployments=[deployment(STABLE, V1)], records=[record(1, V1), failed])
    assert (seen.phase, seen.live.release) == ("Degraded", V1.id)
    assert seen.reasons == (f"release {V2.id}: answers Failed: 500",)


def test_what_never_was_healthy_is_nobodys_live_release():
    failed = record(1, V1, Phase.DEGRADED, message="did not come up")
    seen = view(deployments=[deployment(STABLE, V1, available=0)], records=[failed])
    assert (seen.phase, seen.live) == ("Degraded", None)
    assert " live " not in shown([seen])


def test_a_release_under_way_is_told_beside_the_live_one_and_its_rolling_pods_are_no_trouble():
    flying = record(2, V2, Phase.PROGRESSING)
    seen = view(deployments=[deployment(STABLE, V2, updated=1)], records=[record(1, V1), flying])
    assert (seen.phase, seen.reasons) == ("Progressing", ())
    assert (seen.live.release, seen.under_way.release) == (V1.id, V2.id)
    assert seen.under_way.seconds == 600
    assert "3/3 (1 new)" in shown([seen])


def canary(outcome, step, message="", steps=0):
    flying = record(2, V2, outcome, step=step, message=message, steps=steps, strategy="canary", track=CANARY)
    tracks = [deployment(STABLE, V1), deployment(CANARY, V2, wanted=1)]
    return view(deployments=tracks, records=[record(1, V1), flying])


def test_a_paused_canary_says_which_step_of_how_many_it_waits_at_and_its_share_of_the_pods():
    seen = canary(Phase.PAUSED, 1, "step 1 of 3: SLIPWAY_ACTION=promote goes on", steps=3)
    assert (seen.canary.step, seen.canary.steps, seen.canary.weight) == (1, 3, 25.0)
    assert [(t.track, t.serves, t.share) for t in seen.tracks] == [("stable", True, 75.0), ("canary", True, 25.0)]
    assert "step 1 of 3, 25 % of the pods" in shown([seen])


def test_a_canary_under_way_is_in_the_step_after_those_passed():
    seen = canary(Phase.PROGRESSING, 1, steps=3)
    assert (seen.canary.step, seen.canary.steps) == (2, 3)


def test_a_canary_whose_number_of_steps_nobody_wrote_down_is_told_without_it():
    seen = canary(Phase.PROGRESSING, 0)
    assert (seen.canary.step, seen.canary.steps) == (1, None)
    assert "step 1, 25 %" in shown([seen])


def blue_green(kept_until, blue=3):
    records = [record(1, V1, track=BLUE), record(2, V2, track=GREEN, strategy="blueGreen", kept_until=kept_until)]
    tracks = [deployment(BLUE, V1, wanted=blue), deployment(GREEN, V2)]
    return view(deployments=tracks, records=records, pool=Pool.GREEN, preview=Pool.GREEN)


def test_the_rollback_window_is_told_with_the_time_that_is_left():
    seen = blue_green((NOW + timedelta(minutes=4, seconds=10)).isoformat())
    assert seen.window.seconds == 250
    assert "4 min 10 s more, until 11-25 14:04 UTC" in shown([seen])
    assert [(t.track, t.serves) for t in seen.tracks] == [("blue", False), ("green", True)]


def test_a_window_that_is_over_says_what_becomes_of_the_old_track():
    seen = blue_green(ago(minutes=1))
    assert seen.window.seconds == 0
    assert "the next run retires the old track" in shown([seen])


def test_a_track_that_is_kept_for_ever_has_no_countdown():
    assert "until the next release" in shown([blue_green("forever")])


def test_without_a_warm_track_there_is_no_window():
    assert blue_green((NOW + timedelta(minutes=4)).isoformat(), blue=0).window is None


def test_a_paused_blue_green_release_is_on_the_preview_service_alone():
    flying = record(2, V2, Phase.PAUSED, track=GREEN, strategy="blueGreen", step=1, message="before the switch")
    tracks = [deployment(BLUE, V1), deployment(GREEN, V2)]
    records = [record(1, V1, track=BLUE), flying]
    seen = view(deployments=tracks, records=records, pool=Pool.BLUE, preview=Pool.GREEN)
    assert [(t.serves, t.preview) for t in seen.tracks] == [(True, False), (False, True)]
    assert (seen.phase, seen.live.release, seen.under_way.release) == ("Paused", V1.id, V2.id)


def test_the_last_five_releases_are_listed_newest_first_with_what_became_of_them():
    records = [record(n, V1, seconds=float(n)) for n in range(1, 8)]
    records[-1] = record(7, V2, Phase.DEGRADED, message="no endpoint", seconds=125.0)
    seen = view(deployments=[deployment(STABLE, V1)], records=records)
    assert [r.seconds for r in seen.history] == [125.0, 6.0, 5.0, 4.0, 3.0]
    row = next(line for line in shown([seen]).splitlines() if "no endpoint" in line and "Degraded" in line)
    assert row.split() == ["11-25", "13:50", V2.id, "c0ffee00", "Degraded", "2", "min", "5", "s", "no", "endpoint"]


def test_a_track_without_pods_serves_nobody_though_the_service_would_send_to_it():
    tracks = [deployment(STABLE, V1), deployment(CANARY, V2, wanted=0)]
    seen = view(deployments=tracks, records=[record(1, V1)])
    assert [(t.track, t.serves, t.share) for t in seen.tracks] == [("stable", True, 100.0), ("canary", False, None)]


def test_without_a_ledger_the_tracks_are_told_and_that_it_is_gone():
    seen = view(deployments=[deployment(STABLE, V1)])
    assert (seen.phase, seen.reasons, seen.live.release) == ("Healthy", ("its ledger is gone",), V1.id)


def test_a_workload_whose_name_ends_like_a_track_is_a_workload_of_its_own():
    other = replace(SUBJECT, name="myapp-canary")
    mine = namespace([deployment(STABLE, V1)], records=[record(1, V1)])
    theirs = namespace([deployment(STABLE, V2, subject=other)], records=[record(1, V2)], subject=other)
    both = {kind: {**mine[kind], **theirs[kind]} for kind in mine}
    found = workloads({"apps": both}, NOW)
    assert [(w.name, [t.track for t in w.tracks]) for w in found] == [
        ("myapp", ["stable"]),
        ("myapp-canary", ["stable"]),
    ]


def test_only_the_workloads_that_are_named_are_shown():
    assert workloads({"apps": namespace([deployment(STABLE, V1)])}, NOW, ["other"]) == ()


def test_it_is_readable_in_80_columns_and_without_a_terminal_it_has_no_colours():
    seen = canary(Phase.PAUSED, 1, "step 1 of 3: SLIPWAY_ACTION=promote goes on", steps=3)
    text = shown([seen, blue_green("forever")])
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for whole in (V1.id, V2.id, "c0ffee00", "Paused", "Healthy", "11-25 13:50"):
        assert whole in text


def test_what_a_pod_or_a_script_said_cannot_steer_the_terminal_nor_the_tables():
    failed = record(1, V1, Phase.DEGRADED, message="\x1b[2Jgone [red]not red[/red]\nnext line\x9b1m")
    text = shown([view(deployments=[deployment(STABLE, V1)], records=[failed])], width=200)
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "[red]not red[/red]\\nnext line" in text


def test_an_empty_namespace_says_so():
    assert shown([], where=("apps",)).strip() == "Slipway has deployed nothing in namespace apps"


def test_a_note_stands_below_all_else():
    assert shown([blue_green("forever")], note="it does not answer").rstrip().endswith("it does not answer")


def test_machines_get_the_same_in_camel_case():
    told = json.loads(json.dumps(render.as_json([blue_green("forever")], NOW)))
    (only,) = told["workloads"]
    assert told["at"] == "2026-11-25T14:00:00+00:00"
    assert only["window"] == {"keptUntil": "forever", "seconds": None}
    assert only["live"]["release"] == V2.id
    assert [track["track"] for track in only["tracks"]] == ["blue", "green"]


def test_a_cluster_that_goes_away_while_watching_is_told_below_what_was_last_read(monkeypatch, capsys):
    found = {"apps": namespace([deployment(STABLE, V1)], records=[record(1, V1)])}
    answers = [found, cluster.PreflightError("the cluster does not answer"), found]

    def snapshots(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(_):
        if len(answers) == 1:  # the trouble was shown
            raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "connect", lambda: None)
    monkeypatch.setattr(read, "namespaces", lambda *_: ("apps",))
    monkeypatch.setattr(read, "snapshots", snapshots)
    monkeypatch.setattr(status.time, "sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        status.watch([], [])
    last = capsys.readouterr().out
    assert V1.id in last
    assert "UTC: the cluster does not answer; above is what was read last" in " ".join(last.split())
