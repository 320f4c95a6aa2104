"""Ports are part of a release: they move with its traffic, forwards, backwards, and where a release fails."""

import time

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service

from tests.engine.cluster_view import outcomes, records
from tests.engine.harness import RATE, app, stack
from tests.engine.strategies import STEPS, soak, some

CHECKS = {"answers": {"http": {"path": "/"}, "interval": "1s"}}
STRATEGIES = {"rolling": "rolling", "blueGreen": "blueGreen", "canary": {"canary": {"steps": STEPS}}}
SERVICE = """---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{{labels}}}, ports: {ports}}}
"""


def source(*, number=3000, port="name: http", service=None, labels="app: web", probe=True, names=("web",), pod=""):
    """A Deployment and its Services, as a user writes them; the app listens on `number`."""
    ready = f"readinessProbe: {{httpGet: {{path: /healthz, port: {number}}}, periodSeconds: 1}}" if probe else ""
    text = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{{labels}}}}}
  template:
    metadata: {{labels: {{{labels}}}}}
    spec:
      securityContext: {{runAsNonRoot: true, runAsUser: 65532, seccompProfile: {{type: RuntimeDefault}}}}
      {pod}
      containers:
      - name: app
        image: IMAGE_PLACEHOLDER
        ports: [{{{", ".join(it for it in (f"containerPort: {number}", port) if it)}}}]
        env: [{{name: PORT, value: '{number}'}}]
        resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{cpu: 200m, memory: 64Mi}}}}
        securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
        {ready}
"""
    ports = service or f"[{{port: 80, targetPort: {number}}}]"
    return text + "".join(SERVICE.format(name=name, labels=labels, ports=ports) for name in names)


@pytest.fixture
def web(project, namespace):
    """Configures the workload `web` from a source."""

    def configure(text, strategy="rolling", **settings):
        (project.directory / "web.yaml").write_text(text)
        workload = {"source": {"manifests": "web.yaml"}, "checks": CHECKS, "progressDeadline": "40s", **settings}
        workload["strategy"] = STRATEGIES.get(strategy, strategy) if isinstance(strategy, str) else strategy
        return project.configure(stack(namespace, web=workload))

    return configure


@pytest.mark.parametrize("port", ["name: http", pytest.param("", marks=soak)], ids=["named", "nameless"])
@pytest.mark.parametrize("strategy", some("canary"))
def test_a_port_that_moves_loses_no_request_there_or_back_or_when_the_release_fails(
    strategy, port, web, namespace, images, admin, load
):
    old, new = source(port=port), source(number=8080, port=port)
    web(old, strategy).up(SLIPWAY_IMAGE=images.v1).expect()
    with load("web") as run:
        project = web(new, strategy)
        project.up(SLIPWAY_IMAGE=images.v2).expect()
        assert set(project.up().expect().changes) == {"same"}
        project.up(SLIPWAY_ACTION="rollback").expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert set(run.result.versions) == {"v1", "v2"}
    assert run.result.sent_rate >= RATE * 0.9
    with load("web") as run:
        failed = project.up(SLIPWAY_IMAGE=images.bad).expect(1)
        time.sleep(4)
    assert "release" in failed.output
    assert outcomes(admin, namespace, "web") == ["Healthy", "Healthy", "Healthy", "Degraded"]
    with load("web") as run:
        time.sleep(1)
    assert run.result.failed == 0, run.result.samples
    assert set(run.result.versions) == {"v1"}, "what is live is served"


@pytest.mark.parametrize("strategy", some("rolling"))
def test_the_port_of_the_settings_moves_too(strategy, project, namespace, images, load):
    def configured(port):
        settings = app(port=port, env={"PORT": str(port)}, strategy=STRATEGIES[strategy], checks=CHECKS)
        return project.configure(stack(namespace, web={**settings, "networkPolicy": {"allowFrom": [namespace]}}))

    configured(3000).up(SLIPWAY_IMAGE=images.v1).expect()
    with load("web") as run:
        configured(8080).up(SLIPWAY_IMAGE=images.v2).expect()
        project.up(SLIPWAY_ACTION="rollback").expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert set(run.result.versions) == {"v1", "v2"}


def test_a_port_without_a_name_in_common_is_refused_in_the_preview(web, namespace, images, admin):
    web(source(port="name: http")).up(SLIPWAY_IMAGE=images.v1).expect()
    refused = web(source(number=8080, port="name: web")).preview(SLIPWAY_IMAGE=images.v2).expect(1)
    assert "port 80 would have to lead to 3000 and 8080 at once" in refused.output
    assert "strategy: blueGreen" in refused.output


@pytest.mark.parametrize("service", ["[{port: 80, targetPort: 8081}]", "[{port: 80, targetPort: htttp}]"])
def test_a_service_that_leads_to_no_port_of_the_pods_is_refused_in_the_preview(service, web, namespace, images, admin):
    refused = web(source(service=service)).preview(SLIPWAY_IMAGE=images.v1).expect(1)
    assert "and no container of Deployment web has such a port; there are: 3000 (http)" in refused.output
    assert "Traceback" not in refused.output


def test_a_service_that_somebody_takes_the_pods_from_is_not_called_healthy(web, namespace, images, admin):
    """The selector is right, and the endpoints are none: the pods have lost the label by which they are found."""
    settings = {"checks": {}, "progressDeadline": "8s"}
    project = web(source(), **settings)
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    going = project.up_async(SLIPWAY_IMAGE=images.v2)
    deadline = time.monotonic() + 60
    while not going.ended and time.monotonic() < deadline:
        for pod in admin.list(Pod, namespace=namespace, labels={"app": "web"}):
            body = {"metadata": {"labels": {"slipway.dev/pool": "lost"}}}
            if (pod.metadata.labels or {}).get("slipway.dev/pool") != "lost" and not pod.metadata.deletionTimestamp:
                admin.patch(Pod, pod.metadata.name, body, namespace=namespace)
        time.sleep(0.05)
    failed = going.wait().expect(1)
    assert "Service" in failed.output
    assert "does not reach the pods of stable" in failed.output
    assert outcomes(admin, namespace, "web") == ["Healthy", "Degraded"]
    assert "does not reach" in records(admin, namespace, "web")[-1].message


def test_labels_that_a_selector_names_stay_their_authors(web, namespace, images, load):
    labels = "app: web, app.kubernetes.io/managed-by: Helm"
    project = web(source(labels=labels))
    project.preview(SLIPWAY_IMAGE=images.v1).expect()
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    with load("web") as run:
        time.sleep(0.5)
    assert run.result.failed == 0
    assert run.result.versions.keys() == {"v1"}


@pytest.mark.parametrize("strategy", some("blueGreen"))
def test_the_check_asks_the_port_that_speaks_http(strategy, web, namespace, images, admin):
    grpc = "[{name: grpc, port: 9090, targetPort: 9090}, {name: http, port: 80, targetPort: 3000}]"
    web(source(service=grpc), strategy).up(SLIPWAY_IMAGE=images.v1).expect()
    asked = {"answers": {"http": {"path": "/", "port": "other"}, "interval": "1s"}}
    second = "[{name: grpc, port: 9090, targetPort: 9090}, {name: other, port: 80, targetPort: 3000}]"
    web(source(service=second), strategy, checks=asked).up(SLIPWAY_IMAGE=images.v2).expect()
    assert outcomes(admin, namespace, "web") == ["Healthy"] * 2
    refused = web(source(service=grpc), strategy, checks=asked).up(SLIPWAY_IMAGE=images.v1).expect(1)
    assert "check answers: http.port: the Service has no port other; there are: grpc, 9090, http, 80" in refused.output


def test_a_service_whose_first_port_is_of_udp_gets_a_probe_of_tcp(web, namespace, images, admin):
    udp = "[{name: statsd, port: 8125, protocol: UDP, targetPort: 8125}, {name: http, port: 80, targetPort: 3000}]"
    web(source(service=udp, probe=False), checks={}).up(SLIPWAY_IMAGE=images.v1).expect()
    container = admin.get(Deployment, "web", namespace=namespace).spec.template.spec.containers[0]
    assert container.readinessProbe.tcpSocket.port == 3000


WAITS = {
    "blueGreen": {"blueGreen": {"autoPromote": False}},
}


@pytest.mark.parametrize("fails", [False, pytest.param(True, marks=soak)])
def test_a_second_service_of_the_pods_moves_with_the_first(fails, web, namespace, images, admin, load):
    """Neither shows a release that waits; both are switched together, and back."""
    text = source(names=("web", "web-public"))
    strategy = {"blueGreen": {"postPromotion": ["answers"]}} if fails else WAITS["blueGreen"]
    project = web(text, strategy)
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    with load("web") as one, load("web-public") as two:
        if fails:
            project.up(SLIPWAY_IMAGE=images.bad).expect(1)
        else:
            assert "Paused" in project.up(SLIPWAY_IMAGE=images.v2).expect().output
            time.sleep(2)
    if not fails:
        assert set(one.result.versions) == set(two.result.versions) == {"v1"}
        project.up(SLIPWAY_ACTION="promote").expect()
    time.sleep(1)
    with load("web") as one, load("web-public") as two:
        time.sleep(2)
    assert one.result.failed == two.result.failed == 0
    assert set(one.result.versions) == set(two.result.versions) == {"v1" if fails else "v2"}
    pools = {name: admin.get(Service, name, namespace=namespace).spec.selector for name in ("web", "web-public")}
    assert pools["web"] == pools["web-public"]
    if fails:
        project.up().expect()  # what was switched back past the engine is declared again
    assert set(project.up().expect().changes) == {"same"}
