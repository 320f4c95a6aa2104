"""Which image may be promoted: the table of pulumi_slipway/release/promotion.py."""

from datetime import UTC, datetime, timedelta

import pytest

from pulumi_slipway.core.model import Observed, Phase, Record, Release
from pulumi_slipway.release.promotion import NotPromoted, candidates, promote
from pulumi_slipway.settings.environment import PromoteFrom

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RULE = PromoteFrom(environment="staging", verified_for=600)


def image(letter):
    return f"registry/app@sha256:{letter * 64}"


def record(sequence, letter, minutes_ago, outcome=Phase.HEALTHY, **more):
    at = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    release = Release.of({"metadata": {}, "spec": {"containers": [{"image": image(letter)}]}})
    return Record(sequence, release, outcome, at, at, 1.0, **more)


STAGING = (record(1, "a", 500), record(2, "b", 60), record(3, "c", 5))


def own(*records):
    return Observed(ledger=records)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [(None, "b"), ("b", "b"), ("a", "a")],
)
def test_the_verified_ones_may_come(asked, taken):
    found = promote("web", RULE, STAGING, own(record(1, "d", 900)), asked and image(asked), NOW)
    assert found.image == image(taken)


@pytest.mark.parametrize(
    ("asked", "why"),
    [("c", "was Healthy there for 5m, and must be for 10m"), ("e", "was never released there")],
)
def test_another_is_refused_with_both_digests(asked, why):
    with pytest.raises(NotPromoted, match=why) as told:
        promote("web", RULE, STAGING, own(record(1, "a", 400)), image(asked), NOW)
    assert f"sha256:{asked * 64}" in str(told.value)
    assert f"verified there is sha256:{'b' * 64}" in str(told.value)


def test_what_is_live_stays_whatever_the_other_says():
    assert promote("web", RULE, (), own(record(1, "e", 9)), image("e"), NOW).image == image("e")


def test_what_lacks_what_this_pipelines_commit_has_is_refused_and_told_where_it_is_live():
    def behind(commits):
        assert commits == ("c2",)
        return "is of commit c2, which lacks x"

    staging = (record(1, "a", 500), record(2, "b", 60, provenance={"commit": "c2"}))
    with pytest.raises(NotPromoted, match=f"{'b' * 64} is of commit c2, which lacks x: bring that to staging first$"):
        promote("web", RULE, staging, own(record(1, "a", 400)), None, NOW, lacks=behind)
    found = promote("web", RULE, staging, own(record(1, "b", 50)), None, NOW, lacks=behind)
    assert found.image is None
    assert found.why.endswith("nothing newer that is verified; what is live is of commit c2, which lacks x")


def test_with_nothing_verified_what_is_live_stays_and_a_first_deployment_is_refused():
    found = promote("web", RULE, (record(1, "c", 5),), own(record(1, "a", 400)), None, NOW)
    assert found.image is None
    assert "must be for 10m" in found.why
    with pytest.raises(NotPromoted, match="nothing to deploy"):
        promote("web", RULE, (record(1, "c", 5),), own(), None, NOW)


@pytest.mark.parametrize("outcome", [Phase.HEALTHY, Phase.DEGRADED])
def test_a_rejected_one_never_comes(outcome):
    staging = (record(1, "a", 500), record(2, "b", 60, outcome, rejected="answers 500"), record(3, "b", 30))
    assert promote("web", RULE, staging, own(), None, NOW).image == image("a")
    with pytest.raises(NotPromoted, match=r"is rejected there \(answers 500\)"):
        promote("web", RULE, staging, own(), image("b"), NOW)


def test_after_a_rollback_nothing_comes_until_somebody_says_so():
    production = own(record(1, "a", 400), record(2, "b", 30), record(3, "a", 20, left=image("b")))
    found = promote("web", RULE, STAGING, production, None, NOW)
    assert found.image is None
    assert "users were rolled back from sha256:bbb" in found.why
    with pytest.raises(NotPromoted, match="only when SLIPWAY_ACTION=promote says so"):
        promote("web", RULE, STAGING, production, image("b"), NOW)
    assert promote("web", RULE, STAGING, production, None, NOW, confirmed=True).image == image("b")


def test_time_as_live_counts_and_not_time_on_the_ledger():
    staging = (record(1, "a", 60), record(2, "b", 55), record(3, "a", 5))
    assert {it.image[-1]: it.healthy_seconds for it in candidates(staging, NOW)} == {"a": 300, "b": 3000}
