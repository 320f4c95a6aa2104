"""Sources as people write them: valid ones are taken, and one that does not come up says the one reason."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim, Pod

from tests.engine.cluster_view import outcomes
from tests.engine.harness import stack
from tests.engine.strategies import soak, some
from tests.engine.test_ports import source, web  # noqa: F401  a fixture

MAIN = "      containers:\n"
CONTAINER = "      - name: app\n"
LIMITS = "resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 64Mi}}"
SAFE = "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"


def beside(name, image, *, more="", kind=MAIN):
    """A further container, before the app's."""
    return f"{kind}      - {{name: {name}, image: {image}, {LIMITS}, {SAFE}{more}}}\n"


def listed(text):
    """The same objects as one of kind List."""
    items = "".join(
        "- " + "\n".join("  " + line if line else "" for line in one.strip().splitlines())[2:] + "\n"
        for one in text.split("---\n")
    )
    return f"apiVersion: v1\nkind: List\nitems:\n{items}"


def test_a_list_is_the_objects_in_it(web, namespace, images, admin):  # noqa: F811
    web(listed(source())).up(SLIPWAY_IMAGE=images.v1).expect()
    assert outcomes(admin, namespace, "web") == ["Healthy"]


@pytest.mark.parametrize("strategy", some("rolling"))
def test_the_way_of_updating_changes_to_recreate_and_back(strategy, web, namespace, images, admin):  # noqa: F811
    rolling = source().replace("  replicas: 2\n", "  replicas: 2\n  strategy: {type: RollingUpdate}\n")
    web(rolling, strategy).up(SLIPWAY_IMAGE=images.v1).expect()
    project = web(rolling.replace("RollingUpdate}", "Recreate}"), strategy)
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    found = [it.spec.strategy.type for it in admin.list(Deployment, namespace=namespace)]
    assert "Recreate" in found
    assert set(project.up().expect().changes) == {"same"}
    project = web(source(), strategy)
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    assert set(project.up().expect().changes) == {"same"}


FAILS = {
    "init crash": (MAIN, beside("migrate", "IMAGE_PLACEHOLDER", more=", env: [{name: CRASH, value: 'true'}]",
                                kind="      initContainers:\n") + MAIN,
                   "init container migrate: exits with"),
    "missing mount": (MAIN + CONTAINER, "      volumes: [{name: conf, configMap: {name: nowhere}}]\n" + MAIN + CONTAINER
                      + "        volumeMounts: [{name: conf, mountPath: /conf}]\n", 'configmap "nowhere" not found'),
    "readiness gate": (MAIN, "      readinessGates: [{conditionType: example.com/lb}]\n" + MAIN,
                       "its readiness gate is not: example.com/lb is not set"),
    "sidecar crash": (MAIN, beside("proxy", "IMAGE_PLACEHOLDER", more=", env: [{name: CRASH, value: 'true'}]"),
                      "container proxy: exits with"),
    "unschedulable": (MAIN, "      nodeSelector: {disk: ssd}\n" + MAIN, "nodeSelector disk=ssd"),
}  # fmt: skip


@pytest.mark.parametrize("case", [it if it == "init crash" else pytest.param(it, marks=soak) for it in FAILS])
def test_a_release_that_does_not_come_up_says_the_one_reason(case, web, namespace, images, admin):  # noqa: F811
    old, new, said = FAILS[case]
    text = source().replace(old, new, 1)
    failed = (
        web(text, progressDeadline="12s", source={"manifests": "web.yaml", "container": "app"})
        .up(SLIPWAY_IMAGE=images.v1)
        .expect(1)
    )
    assert said in failed.output


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_login_by_a_command_is_taken_in_both_versions_of_its_protocol(version, project, namespace, images, tmp_path):
    kubeconfig = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    token = subprocess.run(
        ["kubectl", "create", "token", "default", "--namespace", namespace], capture_output=True, text=True, check=True
    ).stdout.strip()
    answer = {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    plugin = tmp_path / "login.sh"
    plugin.write_text(
        f"#!/bin/sh\ncase $KUBERNETES_EXEC_INFO in *{version}*) echo '{json.dumps(answer)}';; *) exit 3;; esac\n"
    )
    plugin.chmod(0o755)
    kubeconfig["users"][0]["user"] = {
        "exec": {"apiVersion": answer["apiVersion"], "command": "./login.sh", "interactiveMode": "Never"}
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    project.configure(stack(namespace, web={}))
    refused = project.preview(SLIPWAY_IMAGE=images.v1, KUBECONFIG=str(tmp_path / "kubeconfig")).expect(1)
    assert (
        f"namespace {namespace}: it does not exist, or this identity has no rights" in refused.output
    )  # it is signed in, as an account without any


def scaler(namespace, name="keda-hpa-web"):
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return HorizontalPodAutoscaler.from_dict({
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "minReplicas": 4, "maxReplicas": 6, "scaleTargetRef": target,
            "metrics": [{"type": "Resource", "resource": cpu}],
        },
    })  # fmt: skip


@pytest.mark.parametrize("name", ["web", pytest.param("keda-hpa-web", marks=soak)])
@pytest.mark.parametrize("strategy", ["rolling", pytest.param("canary", marks=soak)])
def test_somebody_elses_autoscaler_holds_the_number_of_pods(strategy, name, web, namespace, images, admin):  # noqa: F811
    unsaid = source().replace("  replicas: 2\n", "")
    project = web(unsaid, strategy)
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    admin.create(scaler(namespace, name))
    until = time.monotonic() + 60
    while admin.get(Deployment, "web", namespace=namespace).spec.replicas != 4 and time.monotonic() < until:
        time.sleep(0.5)
    for asked in ({}, {"SLIPWAY_IMAGE": images.v2}, {}, {"SLIPWAY_ACTION": "settle"}, {"SLIPWAY_ACTION": "rollback"}):
        project.up(**asked).expect()
        assert admin.get(Deployment, "web", namespace=namespace).spec.replicas == 4, asked
    told = web(source(), strategy).preview().expect().output
    assert f"HorizontalPodAutoscaler {name} scales its Deployment, and each run sets it back to 2" in told


KEPT = """---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: precious, annotations: {helm.sh/resource-policy: keep}}
data: {a: b}
"""


def test_data_is_never_deleted_by_leaving_the_source_or_by_destroy(web, namespace, images, admin):  # noqa: F811
    web(source() + KEPT).up(SLIPWAY_IMAGE=images.v1).expect()
    uid = admin.get(PersistentVolumeClaim, "data", namespace=namespace).metadata.uid
    project = web(source())
    told = f"to delete it: kubectl -n {namespace} delete persistentvolumeclaim data"
    assert told in project.preview().expect().output
    assert "ConfigMap precious is in no source any more" in project.up().expect().output
    assert "in no source any more" not in project.up().expect().output
    web(source() + KEPT).up().expect()
    assert "ConfigMap" in project.pulumi("destroy", "--yes", "--stack", project.stack, "--skip-preview").expect().output
    assert admin.get(PersistentVolumeClaim, "data", namespace=namespace).metadata.uid == uid
    assert admin.get(ConfigMap, "precious", namespace=namespace).data == {"a": "b"}


def test_a_worker_that_does_not_come_up_fails_the_run_and_the_next_mends_it(web, namespace, images, admin):  # noqa: F811
    worker = "---\n" + source().partition("---")[0].replace("name: web}", "name: worker}").replace("app: web", "app: w")
    short = {"progressDeadline": "15s"}
    project = web(source() + worker, **short)
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    assert set(project.up().expect().changes) == {"same"}
    crashing = worker.replace("name: PORT, value: '3000'", "name: CRASH, value: 'true'")
    failed = web(source() + crashing, **short).up().expect(1)
    assert "error: Deployment worker: pod worker-" in failed.output
    assert "exits with" in failed.output
    assert outcomes(admin, namespace, "web") == ["Healthy"]
    web(source() + worker, **short).up().expect()


DATABASE = """---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: db
        image: IMAGE_PLACEHOLDER
        env: [{name: LEVEL, value: '1'}]
        resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 200m, memory: 64Mi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        readinessProbe: {httpGet: {path: /healthz, port: 3000}, periodSeconds: 1}
"""


@soak
def test_a_stateful_set_beside_it_says_why_it_does_not_come_up(web, namespace, images, admin):  # noqa: F811
    short = {"progressDeadline": "15s"}
    broken = DATABASE.replace("{name: LEVEL, value: '1'}", "{name: CRASH, value: 'true'}")
    failed = web(source() + broken, **short).up(SLIPWAY_IMAGE=images.v1).expect(1)
    assert "error: StatefulSet db: pod db-0: exits with" in failed.output
    project = web(source() + DATABASE, **short)
    told = project.up().expect(1).output
    assert f"Kubernetes waits for this pod before it goes on: kubectl -n {namespace} delete pod db-0" in told
    admin.delete(Pod, "db-0", namespace=namespace)
    project.up().expect()
    assert set(project.up().expect().changes) == {"same"}
