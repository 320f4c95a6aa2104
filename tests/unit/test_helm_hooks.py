"""A chart's hooks: which are taken, in which order, and which are refused by name."""

import pytest

from pulumi_slipway.source.helm_hooks import left_out, taken
from pulumi_slipway.source.rendered import Rendered, SourceError


def hook(name, events, weight=None, kind="Job"):
    annotations = {"helm.sh/hook": events, "helm.sh/hook-delete-policy": "before-hook-creation", "kept": "yes"}
    annotations |= {} if weight is None else {"helm.sh/hook-weight": weight}
    return Rendered({"kind": kind, "metadata": {"name": name, "annotations": annotations}}, "chart c")


PLAIN = Rendered({"kind": "Service", "metadata": {"name": "web"}}, "chart c")
TEST = hook("try", "test-success")
BEFORE = [
    hook("late", "pre-upgrade,pre-install", "5"),
    hook("first", "pre-install", "-1"),
    hook("odd", "pre-upgrade", "x"),
]


def test_run_takes_those_before_the_release_by_their_weights_as_ordinary_objects():
    found = taken("p: ", "run", [PLAIN, *BEFORE, TEST])
    assert [one.name for one in found] == ["first", "odd", "late", "web"]
    assert all(one.hook is None for one in found)
    assert found[0].annotations == {"kept": "yes"}
    assert left_out("run", [PLAIN, *BEFORE, TEST]) == ["Job try (chart c)"]


def test_skip_leaves_all_out_and_refuse_names_them():
    assert taken("p: ", "skip", [PLAIN, *BEFORE]) == [PLAIN]
    assert len(left_out("skip", [PLAIN, *BEFORE])) == 3
    with pytest.raises(SourceError, match=r"p: the chart has Helm hooks: Job late .*Job first .*helm\.hooks"):
        taken("p: ", "refuse", [PLAIN, *BEFORE])
    assert taken("p: ", "refuse", [PLAIN, TEST]) == [PLAIN]


@pytest.mark.parametrize("event", ["post-install", "post-upgrade,post-rollback", "pre-delete", "nonsense"])
def test_one_that_has_no_counterpart_is_refused_by_name(event):
    with pytest.raises(SourceError, match=r"no counterpart here: Job seed \(chart c\) \(" + event):
        taken("p: ", "run", [PLAIN, hook("seed", event)])
