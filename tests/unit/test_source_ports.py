"""Where Services lead in the pods of a source: found, named, refused."""

import pytest
import yaml

from pulumi_slipway.settings.source import Source
from pulumi_slipway.source.definition import Definition, define
from pulumi_slipway.source.ports import asked, elsewhere
from pulumi_slipway.source.rendered import Rendered
from tests.wrong_sources import GOOD

HTTP, GRPC, STATSD = (
    "{name: http, port: 80, targetPort: 3000}",
    "{name: grpc, port: 9090}",
    "{port: 8125, protocol: UDP}",
)


def defined(*, ports: str = "[{containerPort: 3000}]", service: str = f"[{HTTP}]", more: str = "") -> Definition:
    text = GOOD.replace("[{containerPort: 3000}]", ports).replace("[{port: 80, targetPort: 3000}]", service) + more
    objects = [Rendered(it, f"document {n}") for n, it in enumerate(yaml.safe_load_all(text), 1) if it]
    return define("web", Source(manifests="x"), objects, "staging", 3)


def container(found: Definition) -> dict:
    return found.deployment["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("ports", "service", "names"),
    [
        ("[{containerPort: 3000}]", f"[{HTTP}]", ["tcp-80"]),
        ("[{containerPort: 3000, name: web}]", f"[{HTTP}]", ["web"]),
        ("[]", f"[{HTTP}]", ["tcp-80"]),
        ("[{containerPort: 3000}]", f"[{HTTP}, {{name: a, port: 81, targetPort: 3000}}]", ["tcp-80"]),
        ("[{containerPort: 53}, {containerPort: 53, protocol: UDP}]",
         "[{name: t, port: 53}, {name: u, port: 53, protocol: UDP}]", ["tcp-53", "udp-53"]),
    ],
)  # fmt: skip
def test_a_port_that_a_service_leads_to_by_number_gets_a_name(ports, service, names):
    assert [it["name"] for it in container(defined(ports=ports, service=service))["ports"]] == names


def test_two_services_of_one_number_lead_to_ports_of_two_names():
    more = "---\n{apiVersion: v1, kind: Service, metadata: {name: admin}, "
    more += "spec: {selector: {app: web}, ports: [{port: 80, targetPort: 9000}]}}"
    ports = container(defined(more=more))["ports"]
    assert {it["containerPort"]: it["name"] for it in ports} == {3000: "tcp-80", 9000: "tcp-80-2"}


def test_a_pod_on_the_hosts_network_declares_nothing_more():
    text = GOOD.replace("spec: {containers", "spec: {hostNetwork: true, containers").replace(
        "targetPort: 3000", "targetPort: 4000"
    )
    objects = [Rendered(it, "x") for it in yaml.safe_load_all(text) if it]
    assert container(define("web", Source(manifests="x"), objects, "staging", 3))["ports"] == [{"containerPort": 3000}]


@pytest.mark.parametrize(
    ("ports", "which"),
    [
        (f"[{GRPC}, {HTTP}]", 80),
        (f"[{STATSD}, {{port: 80}}]", 80),
        ("[{name: a, port: 1}, {name: b, port: 2, appProtocol: kubernetes.io/http}]", 2),
        (f"[{STATSD}]", 8125),
        ("[{name: a, port: 1}, {name: b, port: 2}]", 1),
    ],
)
def test_the_port_that_is_asked(ports, which):
    assert asked(yaml.safe_load(ports))["port"] == which


def test_a_readiness_probe_is_added_for_a_port_of_tcp_and_for_none_else():
    two = defined(service=f"[{STATSD.replace('{', '{name: s, ')}, {HTTP}]")
    assert container(two)["readinessProbe"]["tcpSocket"] == {"port": 3000}
    assert "readinessProbe" not in container(defined(service=f"[{STATSD}]"))


PODS = {
    "v1": "[{name: http, containerPort: 3000}]",
    "v2": "[{name: http, containerPort: 8080}]",
    "renamed": "[{name: web, containerPort: 8080}]",
    "nameless": "[{containerPort: 3000}]",
    "with metrics": "[{containerPort: 3000}, {containerPort: 9090}]",
    "swapped": "[{name: http, containerPort: 3000}, {name: metrics, containerPort: 8080}]",
    "silent": "[]",
    "other": "[{containerPort: 1}, {containerPort: 2}]",
}


@pytest.mark.parametrize(
    ("own", "pods", "number"),
    [
        ("v2", "v1", 3000), ("v2", "v2", 8080), ("renamed", "v1", 3000), ("v2", "nameless", 3000),
        ("v2", "with metrics", 3000), ("v2", "swapped", 3000), ("v2", "silent", 8080), ("v2", "other", None),
    ],
)  # fmt: skip
def test_a_number_moves_with_its_release(own, pods, number):
    ports = [{"port": 80, "targetPort": 8080}, {"name": "m", "port": 9090}]

    def spec(which: str) -> dict:
        return {"containers": [{"name": "app", "ports": yaml.safe_load(PODS[which])}]}

    assert elsewhere(ports[0], ports, spec(own), spec(pods)) == number


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("[{port: 80, targetPort: htttp}]",
         "port 80 leads to htttp, and no container of Deployment web has such a port; there are: 3000"),
        ("[{port: 80, targetPort: 8081}]", "port 80 leads to 8081"),
        ("[{name: a, port: 80, targetPort: 3000}, {name: b, port: 81, targetPort: b}]", "port 81 leads to b"),
        ("[{port: 80, targetPort: 3000, protocol: UDP}]", "port 80 leads to 3000"),
    ],
)  # fmt: skip
def test_a_port_that_no_pod_has_is_told(service, said):
    (line,) = defined(service=service).unreached
    assert said in line
    assert line.startswith("slipway:workloads.web.source: Service web: ")


@pytest.mark.parametrize(
    ("ports", "service"),
    [
        ("[]", "[{port: 80, targetPort: 8081}]"),
        ("[{containerPort: 3000}]", f"[{GRPC}, {HTTP}]"),
        ("[{containerPort: 9}], readinessProbe: {httpGet: {path: /, port: 8081}}", "[{port: 80, targetPort: 8081}]"),
    ],
)
def test_a_port_that_pods_may_have_without_saying_so_is_not(ports, service):
    assert defined(ports=ports, service=service).unreached == ()


def test_a_port_of_a_sidecar_counts():
    proxy = "{name: proxy, image: x, restartPolicy: Always, ports: [{name: px, containerPort: 1}]}"
    text = GOOD.replace("spec: {containers", f"spec: {{initContainers: [{proxy}], containers").replace(
        "targetPort: 3000", "targetPort: px"
    )
    objects = [Rendered(it, "x") for it in yaml.safe_load_all(text) if it]
    assert define("web", Source(manifests="x"), objects, "staging", 3).unreached == ()


SECOND = """---
apiVersion: v1
kind: Service
metadata: {{name: second}}
spec: {{selector: {}, ports: [{{port: 80}}]}}
"""
WORKER = """---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {role: worker}}
  template: {metadata: {labels: {role: worker, part: shop}}, spec: {containers: [{name: w, image: x}]}}
"""


@pytest.mark.parametrize(
    ("selector", "labels", "follows"),
    [
        ("{app: web}", "app: web", True),
        ("{part: shop}", "app: web, part: shop", False),  # the worker's pods, too
        ("{role: worker}", "app: web", False),
        ("{app: web, slipway.dev/track: green}", "app: web", False),
    ],
)
def test_another_service_of_the_same_pods_follows(selector, labels, follows):
    text = GOOD.replace("labels: {app: web}", f"labels: {{{labels}}}") + WORKER + SECOND.format(selector)
    objects = [Rendered(it, "x") for it in yaml.safe_load_all(text) if it]
    found = define("web", Source(manifests="x", service="web", deployment="web"), objects, "staging", 3)
    assert bool(found.beside) is follows


def test_labels_that_find_pods_are_known():
    more = """---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b}
spec: {selector: {matchLabels: {b: c}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: n}
spec: {podSelector: {matchLabels: {n: c}}}
"""
    assert defined(more=more).selecting == {"app", "b", "n"}
