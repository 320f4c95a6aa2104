"""What the policy finds, and what becomes of it."""

import pytest

from pulumi_slipway.preflight import policy
from pulumi_slipway.settings.environment import Policy

DIGEST = "registry/app@sha256:" + "1" * 64
GOOD = {
    "name": "app",
    "image": DIGEST,
    "readinessProbe": {"tcpSocket": {"port": 3000}},
    "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}},
}


def deployment(container=GOOD, kind="Deployment", **spec):
    pods = {"containers": [container], **spec}
    template = {"spec": {"template": {"spec": pods}}}
    whole = {"spec": {"jobTemplate": template}} if kind == "CronJob" else template
    return {"kind": kind, "metadata": {"name": "web"}, **whole}


def rules(manifest):
    return {finding.rule for finding in policy.look("web", [manifest], served=manifest)}


@pytest.mark.parametrize(
    ("manifest", "found"),
    [
        (deployment(), set()),
        (deployment({**GOOD, "image": "nginx:1.29"}), {"mutableTag"}),
        (deployment({**GOOD, "resources": {"limits": {"cpu": "1"}}}), {"resources"}),
        (deployment({key: it for key, it in GOOD.items() if key != "readinessProbe"}), {"probe"}),
        (deployment({**GOOD, "securityContext": {"privileged": True}}), {"privileged"}),
        (deployment(hostNetwork=True), {"privileged"}),
        (deployment(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), {"hostPath"}),
        (deployment(initContainers=[{**GOOD, "image": "nginx"}]), {"mutableTag"}),
        ({"kind": "Service", "metadata": {"name": "web"}, "spec": {}}, set()),
    ],
)
def test_each_rule_finds_its_own(manifest, found):
    assert rules(manifest) == found


def test_pods_of_every_controller_are_looked_at_and_only_served_ones_need_a_probe():
    bare = {"name": "app", "image": "nginx"}
    for kind in ("StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet"):
        found = {it.rule for it in policy.look("web", [deployment(bare, kind)])}
        assert found == {"mutableTag", "resources"}, kind


def test_levels_decide():
    findings = list(policy.look("web", [deployment({**GOOD, "image": "nginx"}, hostPID=True)]))
    with pytest.raises(policy.PolicyDenied, match=r"^slipway:environment.policy.privileged: workload web: .*hostPID"):
        policy.enforce(Policy(), findings)
    warned = policy.enforce(Policy(privileged="off"), findings)
    assert [text.partition(":")[0] + text.partition("policy")[2].partition(":")[0] for text in warned] == [
        "slipway.mutableTag"
    ]
    with pytest.raises(policy.PolicyDenied) as told:
        policy.enforce(Policy(mutable_tag="deny"), findings)
    assert len(str(told.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("hard", "count", "over"),
    [
        ({"limits.cpu": "3"}, 3, False),
        ({"limits.cpu": "3"}, 4, True),
        ({"cpu": "250m"}, 3, True),
        ({"pods": "2"}, 3, True),
    ],
)
def test_all_pods_together_must_fit_the_quota(hard, count, over):
    quota = {"metadata": {"name": "slipway"}, "spec": {"hard": hard}}
    found = list(policy.over_quota([({"containers": [GOOD]}, count)], [quota]))
    assert bool(found) is over
