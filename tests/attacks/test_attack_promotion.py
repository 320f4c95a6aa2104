"""Code by way of a ledger: whoever may edit staging's ConfigMaps writes what production's job reads."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pulumi_slipway.core.model import Observed, Phase, Record, Release
from pulumi_slipway.pipeline import promote as module
from pulumi_slipway.pipeline.promote import Built, NotPromotable, promote
from pulumi_slipway.release import ledger
from pulumi_slipway.release.promotion import NotPromoted, foreign
from pulumi_slipway.release.promotion import promote as choose
from pulumi_slipway.settings.environment import PromoteFrom

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DIGEST = "@sha256:" + "a" * 64
OURS, THEIRS = f"registry.example.com/group/app{DIGEST}", f"registry.example.com/evil/app{DIGEST}"
CONTROLS = [*map(chr, range(32)), "\x7f", "\x85", "\u2028", "\u202e"]


def record(image, commit="c" * 40, sequence=1):
    template = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    at = (NOW - timedelta(days=1)).isoformat()
    made = {"commit": commit} if commit else {}
    return Record(sequence, Release.of(template), Phase.HEALTHY, at, at, 1.0, provenance=made)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`slipway promote --from staging` with a ledger as it is in the cluster; the lines of the dotenv report."""

    class Merged:
        head = "c" * 40
        knows = holds = staticmethod(lambda commit: True)
        differing = staticmethod(lambda commit, paths: [])

    def run(*images, data=None, config="", commit="c" * 40, **environ):
        for name in ("staging", "production"):
            more = config if name == "production" else ""
            (tmp_path / f"Pulumi.{name}.yaml").write_text(
                f"config:\n  slipway:environment: {{name: {name}{more}}}\n  slipway:workloads: {{web: {{}}}}\n"
            )
        written = data or ledger.encode([record(it, commit, n) for n, it in enumerate(images, 1)])
        monkeypatch.setattr(module, "records", lambda *_: ledger.decode(written))
        monkeypatch.setattr(module, "Commits", lambda _: Merged())
        monkeypatch.setattr(module.cluster, "connect", lambda: None)
        monkeypatch.setattr(module.cluster, "as_preflight_error", lambda _: __import__("contextlib").nullcontext())
        monkeypatch.setattr(module.snapshot, "annotations", lambda *_: {})
        dotenv = tmp_path / "promoted.env"
        job = {"CI_REGISTRY_IMAGE": "registry.example.com/group/app", **environ}
        promote(tmp_path, "staging", "production", dotenv, Built(), job)
        return dotenv.read_text().split("\n")

    return run


def test_what_is_ours_goes_on(run):
    assert run(OURS) == ["SLIPWAY_PROMOTED=staging", f"SLIPWAY_IMAGE_WEB={OURS}", ""]


@pytest.mark.parametrize("sign", CONTROLS, ids=repr)
def test_no_control_character_of_a_ledger_gets_into_the_dotenv_of_the_production_job(run, sign):
    with pytest.raises(NotPromotable):
        run(f"{OURS}{sign}LD_PRELOAD=/builds/evil.so")


@pytest.mark.parametrize("sign", CONTROLS, ids=repr)
def test_nor_of_a_variable(run, sign):
    with pytest.raises(NotPromotable, match="is no image") as told:
        run(OURS, SLIPWAY_IMAGE=f"{THEIRS}{sign}PULUMI_BACKEND_URL=s3://evil")
    assert sign not in str(told.value)


def test_an_image_of_a_foreign_repository_stays_unless_it_is_on_the_list(run):
    with pytest.raises(NotPromotable, match=r"name registry[.]example[.]com/evil/app in `slipway:env"):
        run(THEIRS)
    assert THEIRS in run(THEIRS, config=", repositories: [registry.example.com/evil]")[1]
    with pytest.raises(NotPromotable, match="not of this project's repository"):
        run(OURS, CI_REGISTRY_IMAGE="")


def test_an_image_without_a_commit_stays(run):
    with pytest.raises(NotPromotable, match="no commit on record"):
        run(OURS, commit="")


@pytest.mark.parametrize(
    "forged",
    [
        {"image": "--help"},
        {"template": {"spec": {"containers": [{"name": "web", "image": "$(id)"}]}, "metadata": {"labels": {}}}},
        {"finished": ""},
        {"finished": "2026-01-01T00:00:00"},
        {"template": []},
        {"left": "x\nSLIPWAY_ACTION=reject"},
    ],
    ids=json.dumps,
)
def test_a_record_that_none_of_ours_can_be_is_none(run, forged):
    ((key, text),) = ledger.encode([record(OURS)]).items()
    data = {key: json.dumps(json.loads(text) | forged)}
    if "image" in forged:  # for people alone: what counts is the template
        assert run(data=data)[1] == f"SLIPWAY_IMAGE_WEB={OURS}"
        return
    with pytest.raises(NotPromotable, match=r"^web: staging has no release of it: deploy there first$"):
        run(data=data)


def test_the_program_takes_no_foreign_image_by_itself_either():
    rule, ours = PromoteFrom(environment="staging"), "registry.example.com/group"
    with pytest.raises(NotPromoted, match="not of this project's repository"):
        choose("web", rule, [record(THEIRS)], Observed(), None, NOW, repositories=[ours])
    newer = f"registry.example.com/group/app@sha256:{'b' * 64}"
    live = Observed(ledger=(record(newer),))
    with pytest.raises(NotPromoted, match="not of this project's repository"):
        choose("web", rule, [record(THEIRS)], live, None, NOW)
    assert choose("web", rule, [record(OURS)], live, None, NOW).image == OURS


@pytest.mark.parametrize("near", ["registry.example.com/group/app-evil", "registry.example.com/group/ap", "group/app"])
def test_a_name_that_begins_alike_is_foreign(near):
    assert foreign(f"{near}{DIGEST}", ["registry.example.com/group/app"])
    assert not foreign(f"registry.example.com/group/app/api:1{DIGEST}", ["registry.example.com/group/app"])
