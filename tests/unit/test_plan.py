"""The plan of a rolling release, as the table in its docstring says, and as a random history."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release import ledger
from release.model import Observed, Phase, Plan, Release, Track
from release.plan import NothingToDo, plan
from settings import Action


def release(image: str) -> Release:
    return Release.of({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"image": image}]}})


def track(of: Release | None, *, complete: bool = True) -> Track:
    return Track(of.id if of else None, 3, 3, 3 if complete else 1, complete, of.pod_template() if of else {})


def recorded(*outcomes: tuple[Release, Phase]) -> tuple:
    records: tuple = ()
    for one, outcome in outcomes:
        records = ledger.append(
            records, one, outcome, seconds=1, message="", provenance={}, keep=10, now=datetime.now(UTC)
        )
    return records


V1, V2, V3 = release("app@sha256:1"), release("app@sha256:2"), release("app@sha256:3")
H, D = Phase.HEALTHY, Phase.DEGRADED


@pytest.mark.parametrize(
    ("observed", "desired", "action", "phase", "target"),
    [
        (Observed(None), V1, Action.DEPLOY, Phase.PROGRESSING, V1),
        (Observed(track(V1), recorded((V1, H))), V1, Action.DEPLOY, Phase.HEALTHY, V1),
        (Observed(track(V1), recorded((V1, H))), V2, Action.DEPLOY, Phase.PROGRESSING, V2),
        (Observed(track(V2, complete=False), recorded((V1, H))), V2, Action.DEPLOY, Phase.PROGRESSING, V2),
        (Observed(track(V2), recorded((V1, H))), V2, Action.DEPLOY, Phase.PROGRESSING, V2),
        (Observed(track(V2), recorded((V1, H), (V2, D))), V2, Action.DEPLOY, Phase.PROGRESSING, V2),
        (Observed(track(None), recorded((V1, H))), V1, Action.DEPLOY, Phase.PROGRESSING, V1),
        (Observed(track(V2), recorded((V1, H), (V2, H))), V2, Action.ROLLBACK, Phase.PROGRESSING, V1),
        (
            Observed(track(V3, complete=False), recorded((V1, H), (V2, H), (V3, D))),
            V3,
            Action.ROLLBACK,
            Phase.PROGRESSING,
            V2,
        ),
        (Observed(track(V3, complete=False), recorded((V1, H), (V2, H))), V3, Action.ABORT, Phase.PROGRESSING, V2),
        (Observed(None, recorded((V1, H))), V2, Action.ROLLBACK, Phase.PROGRESSING, V1),
    ],
)
def test_each_row_of_the_table(observed, desired, action, phase, target):
    made = plan("myapp", observed, desired, action)
    assert (made.phase, made.release) == (phase, target)


@pytest.mark.parametrize(
    ("observed", "action", "says"),
    [
        (Observed(track(V1), recorded((V1, H))), Action.ROLLBACK, "nothing to roll back to"),
        (Observed(None), Action.ROLLBACK, "nothing to roll back to"),
        (Observed(track(V1), recorded((V1, H))), Action.ABORT, "no release is in flight"),
        (Observed(track(V1), recorded((V1, H))), Action.PROMOTE, "nothing is Paused"),
    ],
)
def test_an_action_with_nothing_to_act_on_is_refused_with_the_reason(observed, action, says):
    with pytest.raises(NothingToDo, match=says):
        plan("myapp", observed, V1, action)


def test_scaling_and_order_of_keys_make_no_new_release_and_any_change_of_the_template_does():
    one = {"metadata": {"labels": {"x": "1", "y": "2"}}, "spec": {"containers": [{"image": "a", "name": "b"}]}}
    other = {"spec": {"containers": [{"name": "b", "image": "a"}]}, "metadata": {"labels": {"y": "2", "x": "1"}}}
    assert Release.of(one) == Release.of(other)
    assert Release.of(Release.of(one).pod_template()) == Release.of(one)
    changed = {**one, "spec": {"containers": [{"image": "a", "name": "b", "env": [{"name": "A", "value": "1"}]}]}}
    assert Release.of(changed).id != Release.of(one).id


@given(
    st.lists(
        st.tuples(
            st.sampled_from([V1, V2, V3]), st.sampled_from(["good", "bad", "killed"]), st.sampled_from(list(Action))
        ),
        max_size=30,
    )
)
def test_any_history_settles_and_a_rollback_never_lands_on_a_release_that_was_not_healthy(history):
    live: Track | None = None
    records: tuple = ()
    for desired, fate, action in history:
        observed = Observed(live, records)
        try:
            made = plan("myapp", observed, desired, action)
        except NothingToDo:
            continue
        assert made == plan("myapp", observed, desired, action)
        healthy_ids = {r.release.id for r in observed.healthy()}
        if action is not Action.DEPLOY:
            assert made.release.id in healthy_ids
            assert live is None or made.release.id != live.release
        live = track(made.release, complete=fate == "good")
        if made.moves and fate != "killed":
            records = _with(records, made, H if fate == "good" else D)
        if fate == "good":
            settled = plan("myapp", Observed(live, records), made.release, Action.DEPLOY)
            assert settled.phase is Phase.HEALTHY


def _with(records: tuple, made: Plan, outcome: Phase) -> tuple:
    return ledger.append(records, made.release, outcome, seconds=1, message="", provenance={}, keep=10)
