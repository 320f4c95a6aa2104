"""The Services of a source through releases that change their ports: never a port that the pods behind them lack."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from lightkube.resources.core_v1 import Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from pulumi_slipway.core.keys import POOL_LABEL
from pulumi_slipway.core.model import Observed, Phase, Pool, Record, Release, Track, TrackName
from pulumi_slipway.core.plan import plan
from pulumi_slipway.release import manifests, reach
from pulumi_slipway.release.live import Live
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import World
from pulumi_slipway.release.pod_template import pod_template
from pulumi_slipway.release.rollout import ReleaseFailed
from pulumi_slipway.release.rules import rules_of
from pulumi_slipway.release.service_ports import behind, checked_ports, pod_ports, policies, running, services
from pulumi_slipway.release.target import unknown_ports
from pulumi_slipway.settings import Action, Environment, Workload
from pulumi_slipway.settings.source import Source
from pulumi_slipway.source.definition import define
from pulumi_slipway.source.rendered import Rendered, SourceError
from tests.wrong_sources import GOOD

ENVIRONMENT = Environment.model_validate({"name": "staging"})
STABLE, BLUE, GREEN = TrackName.STABLE, TrackName.BLUE, TrackName.GREEN
CANARY = {"canary": {"steps": [{"replicas": 1, "pause": 1}], "checks": []}}
STRATEGIES: dict[str, Any] = {"rolling": "rolling", "blueGreen": "blueGreen", "canary": CANARY}


def subject(number: int, name: str | None, strategy: str = "rolling", more: str = "") -> Subject:
    """A source whose Service leads to this number; its container port has the name, if any, and the same number."""
    port = f"{{containerPort: {number}" + (f", name: {name}}}" if name else "}")
    text = GOOD.replace("{containerPort: 3000}", port).replace("targetPort: 3000", f"targetPort: {number}") + more
    objects = [Rendered(it, "x") for it in yaml.safe_load_all(text) if it]
    source = Source(manifests="x", service="web")
    workload = Workload.model_validate({"source": {"manifests": "x"}, "strategy": STRATEGIES[strategy]})
    return Subject.of("web", ENVIRONMENT, workload, define("web", source, objects, "staging", 3))


def released(one: Subject) -> Release:
    return Release.of(pod_template(one, f"app@sha256:{1:064}", None)[0])


def world(*healthy: Release, on: TrackName = STABLE, live: Any = None) -> World:
    """These were Healthy, the last one serves."""
    tracks = {}
    if healthy:
        tracks[on] = Track(healthy[-1].id, 2, 2, 2, True, healthy[-1].pod_template(on))
    records = tuple(Record(n, it, Phase.HEALTHY, "", "", 1.0, track=on) for n, it in enumerate(healthy, 1))
    objects = {("Service", ""): live} if live else {}
    return World(objects, Observed(tracks, on.pool if healthy else None, records))


def target(one: Subject, seen: World, action: Action = Action.DEPLOY) -> int | str:
    """Where the Service leads in this run."""
    made = plan("web", seen.observed, released(one), action, rules_of(one.workload))
    live = {"web": seen.live("Service")}
    found, *_ = services(one, made.pool, behind(made, seen, made.pool), live)
    return found["spec"]["ports"][0]["targetPort"]


def test_the_first_release_has_the_service_as_its_author_wrote_it():
    assert target(subject(3000, "http"), world()) == 3000
    assert target(subject(3000, None), world()) == 3000


@pytest.mark.parametrize("strategy", ["rolling", "canary"])
@pytest.mark.parametrize(("name", "called"), [("http", "http"), (None, "tcp-80")])
def test_a_number_that_changes_while_old_pods_serve_is_found_by_its_name(strategy, name, called):
    old, new = subject(3000, name, strategy), subject(8080, name, strategy)
    seen = world(released(old))
    assert target(new, seen) == called
    assert target(old, seen) == 3000, "nothing changes"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rollback_leads_to_the_port_that_the_release_had(strategy):
    old, new = subject(3000, "http", strategy), subject(8080, "http", strategy)
    on = BLUE if strategy == "blueGreen" else STABLE
    seen = world(released(old), released(new), on=on)
    assert target(new, seen, Action.ROLLBACK) in (("http", 3000) if strategy == "blueGreen" else ("http",))


def test_blue_green_moves_the_service_with_its_pods_whatever_they_are_called():
    old, new = subject(3000, "web", "blueGreen"), subject(8080, "http", "blueGreen")
    assert target(new, world(released(old), on=BLUE)) == 8080
    assert target(new, world(released(old), released(new), on=BLUE), Action.ROLLBACK) == 3000


@pytest.mark.parametrize("strategy", ["rolling", "canary"])
def test_where_old_and_new_pods_have_no_name_in_common_the_run_is_refused(strategy):
    old, new = subject(3000, "web", strategy), subject(8080, "http", strategy)
    with pytest.raises(SourceError, match="port 80 would have to lead to 3000 and 8080 at once") as told:
        target(new, world(released(old)))
    assert "strategy: blueGreen" in str(told.value)
    assert "\n" not in str(told.value)


def test_once_by_its_name_it_stays_so():
    one = subject(8080, "http")
    live = {"spec": {"ports": [{"port": 80, "targetPort": "http"}]}}
    assert target(one, world(released(one), live=live)) == "http"


@pytest.mark.parametrize("numbers", [(3000, 3000), (3000, 8080)])
def test_what_an_earlier_version_released_is_left_as_it_is_and_its_port_is_refused_to_change_at_once(numbers):
    old, new = subject(numbers[0], None), subject(numbers[1], None)
    before = pod_template(old, f"app@sha256:{1:064}", None, Observed())[0]
    container = {**before["spec"]["containers"][0], "ports": [{"containerPort": 3000}]}
    former = {**before, "spec": {**before["spec"], "containers": [container]}}
    seen = world(Release.of(former))
    if numbers[0] == numbers[1]:
        assert Release.of(pod_template(new, f"app@sha256:{1:064}", None, seen.observed)[0]) == Release.of(former)
        assert target(new, seen) == 3000
    else:
        assert Release.of(pod_template(new, f"app@sha256:{1:064}", None, seen.observed)[0]) == released(new)
        with pytest.raises(SourceError, match="release once with the old number"):
            target(new, seen)


def test_what_the_author_never_declared_is_left_where_it_is():
    """A second port that pods of an earlier version have without saying so."""
    port = "{containerPort: 3000}"
    text = GOOD.replace(
        "[{port: 80, targetPort: 3000}]", "[{name: a, port: 80, targetPort: 3000}, {name: b, port: 9090}]"
    )
    objects = [Rendered(it, "x") for it in yaml.safe_load_all(text) if it]
    workload = Workload.model_validate({"source": {"manifests": "x"}})
    one = Subject.of("web", ENVIRONMENT, workload, define("web", workload.source, objects, "staging", 3))
    assert port in text
    assert one.source
    former, _ = one.source.pod_template(f"app@sha256:{1:064}", None, former=True)
    found, *_ = services(one, Pool.MAIN, [former, released(one).pod_template(STABLE)])
    assert [it.get("targetPort") for it in found["spec"]["ports"]] == [3000, None]


@pytest.mark.parametrize(
    ("outcome", "available", "left"),
    [(Phase.HEALTHY, 0, True), (Phase.PAUSED, 0, True), (Phase.DEGRADED, 1, True), (Phase.DEGRADED, 0, False)],
)
def test_what_an_earlier_version_made_is_left_as_it_is_while_it_lives(outcome, available, left):
    one = subject(3000, None)
    assert one.source
    former = pod_template(one, f"app@sha256:{1:064}", None, world(released(one)).observed)[0]
    assert Release.of(former) == released(one), "known in its new form"
    old = {**former, "spec": {**former["spec"], "containers": [dict(former["spec"]["containers"][0])]}}
    old["spec"]["containers"][0]["ports"] = [{"containerPort": 3000}]
    release = Release.of(old)
    tracks = {STABLE: Track(release.id, 2, 2, available, False, old)}
    observed = Observed(tracks, Pool.MAIN, (Record(1, release, outcome, "", "", 1.0),))
    assert (Release.of(pod_template(one, f"app@sha256:{1:064}", None, observed)[0]) == release) is left


SECOND = """---
apiVersion: v1
kind: Service
metadata: {name: public}
spec: {selector: {app: web}, ports: [{port: 1, targetPort: 8080}]}
"""


def test_a_second_service_of_the_pods_is_pointed_to_the_same_pool_on_its_own_port():
    old, new = subject(3000, "http", "blueGreen"), subject(8080, "http", "blueGreen", SECOND)
    for one, number in ((new, 8080), (old, 3000)):
        _, second = services(new, Pool.GREEN, [released(one).pod_template(GREEN)])
        assert second["spec"]["selector"] == {"app": "web", POOL_LABEL: "green"}
        assert second["spec"]["ports"] == [{"port": 1, "targetPort": number if one is new else "http"}]


def test_labels_that_find_the_pods_stay_their_authors():
    managed = "app: web, app.kubernetes.io/managed-by: Helm"
    text = GOOD.replace("app: web", managed)
    objects = [Rendered(it, "x") for it in yaml.safe_load_all(text) if it]
    workload = Workload.model_validate({"source": {"manifests": "x"}})
    one = Subject.of("web", ENVIRONMENT, workload, define("web", workload.source, objects, "staging", 3))
    template, _ = pod_template(one, f"app@sha256:{1:064}", None)
    made = manifests.deployment(one, STABLE, Release.of(template).pod_template(STABLE), 2)
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert made["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert manifests.service(one, Pool.MAIN)["spec"]["selector"].items() <= labels.items()


def test_a_network_policy_lets_in_the_ports_of_all_pods_that_run():
    settings = {"networkPolicy": {"allowFrom": ["a"]}}
    old, new = (
        Subject("web", ENVIRONMENT, Workload.model_validate({"port": port, **settings})) for port in (3000, 8080)
    )
    seen = world(released(old))
    made = plan("web", seen.observed, released(new), Action.DEPLOY, rules_of(new.workload))
    numbers = pod_ports(new, running(made, seen))
    assert numbers == [3000, 8080]
    policy = manifests.network_policy(new, numbers)
    assert policy
    assert [it["port"] for it in policy["spec"]["ingress"][0]["ports"]] == [3000, 8080]


POLICY = """---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in}
spec: {podSelector: {matchLabels: {app: APP}}, ingress: [{ports: [{port: 8080}, {port: 1, endPort: 9}]}, {from: []}]}
"""


@pytest.mark.parametrize(("app", "ports"), [("web", [8080, 3000, 1]), ("other", None)])
def test_a_policy_of_the_source_lets_in_the_ports_of_all_pods_that_run(app, ports):
    new = subject(8080, "http", more=POLICY.replace("APP", app))
    found = [*policies(new, [released(it).pod_template(STABLE) for it in (subject(3000, "http"), new)])]
    assert [[it["port"] for it in one["spec"]["ingress"][0]["ports"]] for one in found] == ([ports] if ports else [])


def test_a_check_asks_the_port_that_its_release_has():
    new = subject(8080, "http")
    assert checked_ports(new, released(subject(3000, "http")).pod_template(STABLE))[""] == ("80", 3000)
    assert checked_ports(new, released(new).pod_template(STABLE))["80"] == ("80", 8080)


def test_a_check_of_a_port_that_the_service_has_not_is_told():
    settings = {"checks": {"a": {"http": {"path": "/", "port": "grpc"}}, "b": {"http": {"path": "/", "port": 80}}}}
    one = Subject("web", ENVIRONMENT, Workload.model_validate(settings))
    assert unknown_ports(one) == ["check a: http.port: the Service has no port grpc; there are: http, 80"]


@dataclass
class Api:
    """Endpoints and pods to look at."""

    endpoints: dict[str, dict[str, int]]
    pods: tuple[str, ...] = ("a", "b")
    one: Subject = field(default_factory=lambda: subject(8080, "http"))
    service: bool = True

    def list(self, resource: Any, *, namespace: str, labels: Any) -> Any:
        if resource is Pod:
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            here = self.pods if labels.get("slipway.dev/track") == "stable" else ()
            return [Pod.from_dict({"metadata": {"name": name}, "status": ready}) for name in here]
        assert resource is EndpointSlice
        return [*self._slices()]

    def _slices(self) -> Any:
        for name, ports in self.endpoints.items():
            it = {"addresses": [], "conditions": {"ready": True}, "targetRef": {"name": name}}
            known = [{"name": port, "port": number} for port, number in ports.items()]
            yield EndpointSlice.from_dict({"addressType": "IPv4", "endpoints": [it], "ports": known})

    def get(self, resource: Any, name: str, *, namespace: str) -> Any:
        if resource is Service:
            found: Any = Service.from_dict({"metadata": {"name": name}})
            return found
        template = released(self.one).pod_template(STABLE)
        return type("It", (), {"to_dict": lambda _: {"spec": {"template": template}}})()


def reached(api: Api) -> str:
    """Why not; empty where it is."""
    times = iter(range(99))
    try:
        reach.wait(
            Live(api, api.one),  # type: ignore[arg-type]
            STABLE,
            "r",
            preview=False,
            deadline=1,
            sleep=lambda seconds: None,
            clock=lambda: next(times),
        )
    except ReleaseFailed as failure:
        return str(failure)
    return ""


@pytest.mark.parametrize(
    ("endpoints", "why"),
    [
        ({"a": {"": 8080}, "b": {"": 8080}}, ""),
        ({}, "Service staging/web does not reach the pods of stable after 1 s: 0 endpoints for 2 ready pods"),
        ({"a": {"": 8080}}, "1 endpoints for 2 ready pods"),
        ({"a": {}, "b": {}}, "no endpoint for its port on the port that its pods have"),
        ({"a": {"": 3000}, "b": {"": 8080}}, "no endpoint for its port"),
        ({"a": {"": 8080}, "b": {"": 8080}, "z": {"": 8080}}, "it sends to other pods, too: z"),
    ],
)
def test_users_reach_a_release_when_all_its_pods_are_endpoints_on_their_ports(endpoints, why):
    found = reached(Api(endpoints))
    assert why in found
    assert bool(why) == bool(found)
