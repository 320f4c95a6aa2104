"""Charts and kustomizations of other shapes than ours: rendered as the field's own tools do, and deployed.

Helm's own starter chart is made by `helm create` at test time; the others are written after the shapes of public ones.
"""

import subprocess
from pathlib import Path

import pytest
import yaml
from lightkube.resources.apps_v1 import Deployment

from pulumi_slipway.release.drift import drift
from pulumi_slipway.source.rendered import REPOSITORY, TAG
from tests.engine.cluster_view import outcomes
from tests.engine.harness import stack
from tests.engine.strategies import SOAK

POD = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
PLAIN = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, labels: {app: NAME}}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      serviceAccountName: default
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: NAME
          image: IMAGE
          ports: [{name: web, containerPort: 3000}]
          resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 64Mi}}
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: 80, targetPort: web}]}
"""
STORE = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 0
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec: {containers: [{name: store, image: IMAGE_PLACEHOLDER}]}
"""
TEMPLATED = '"{{ .Values.image.repository }}:{{ .Values.image.tag }}"'
CHART = "apiVersion: v2\nname: shape\nversion: 1.2.3\nappVersion: '7'\n"
IMAGE_VALUES = "image: {repository: x, tag: y}\n"


def starter(directory: Path):
    """`helm create`: service account, autoscaler and ingress by values, probes, a test hook, helpers."""
    subprocess.run(["helm", "create", "shape"], cwd=directory, check=True, capture_output=True)
    values = {
        "service": {"port": 3000},
        "podSecurityContext": POD,
        "securityContext": CONTAINER,
        "autoscaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 3},
        "ingress": {
            "enabled": True,
            "hosts": [{"host": "a.example.com", "paths": [{"path": "/", "pathType": "Prefix"}]}],
        },
        "fullnameOverride": "shop",
    }
    return {"helm": {"chart": "shapes/shape", "values": values}}


def umbrella(directory: Path):
    """A chart with a subchart of its own, globals, and a loop."""
    write(directory, "shape/Chart.yaml", CHART + "dependencies: [{name: part, version: 0.1.0}]\n")
    write(directory, "shape/values.yaml", IMAGE_VALUES + "global: {team: a}\npart: {keys: [one, two]}\n")
    write(directory, "shape/templates/web.yaml", PLAIN.replace("NAME", "shape").replace("IMAGE", TEMPLATED))
    write(directory, "shape/charts/part/Chart.yaml", "apiVersion: v2\nname: part\nversion: 0.1.0\n")
    loop = (
        "{{- range .Values.keys }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: part-{{ . }}}\n"
        "data: {team: {{ $.Values.global.team }}}\n{{- end }}\n"
    )
    write(directory, "shape/charts/part/templates/maps.yaml", loop)
    return {"helm": {"chart": "shapes/shape"}}


def stateful(directory: Path):
    """A StatefulSet with its headless Service, a CronJob, a network policy and a budget beside the Deployment."""
    beside = """
apiVersion: v1
kind: Service
metadata: {name: store}
spec: {clusterIP: None, selector: {app: store}, ports: [{port: 80}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: IMAGE_PLACEHOLDER}]}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all}
spec: {podSelector: {}, ingress: [{}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shape}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: shape}}}
"""
    plain = PLAIN.replace("NAME", "shape").replace("IMAGE", "IMAGE_PLACEHOLDER")
    write(directory, "web.yaml", "---".join((plain, STORE, beside)))
    return {"manifests": "shapes/*.yaml"}


def prefixed(directory: Path):
    """A base with names and labels that the overlay changes, and a component."""
    write(directory, "base/web.yaml", PLAIN.replace("NAME", "shape").replace("IMAGE", "app"))
    write(directory, "base/kustomization.yaml", "resources: [web.yaml]\n")
    component = (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "configMapGenerator: [{name: feature, literals: [ON=true]}]\n"
    )
    write(directory, "component/kustomization.yaml", component)
    overlay = (
        "resources: [../base]\ncomponents: [../component]\nnamePrefix: eu-\n"
        "labels: [{pairs: {region: eu}, includeSelectors: true}]\n"
        "images: [{name: app, newName: IMAGE_PLACEHOLDER}]\nreplicas: [{name: shape, count: 2}]\n"
    )
    write(directory, "overlay/kustomization.yaml", overlay)
    return {"kustomize": "shapes/overlay"}


def patched(directory: Path):
    """JSON patches and a generated Secret that the pods mount."""
    write(directory, "web.yaml", PLAIN.replace("NAME", "shape").replace("IMAGE", "app"))
    write(
        directory,
        "kustomization.yaml",
        """
resources: [web.yaml]
images: [{name: app, newName: IMAGE_PLACEHOLDER}]
secretGenerator: [{name: keys, literals: [KEY=planted]}]
patches:
  - target: {kind: Deployment}
    patch: |-
      - {op: add, path: /spec/template/spec/volumes, value: [{name: keys, secret: {secretName: keys}}]}
      - {op: add, path: /spec/template/spec/containers/0/volumeMounts, value: [{name: keys, mountPath: /keys}]}
""",
    )
    return {"kustomize": "shapes"}


def job_first(directory: Path):
    """A chart with a Job that must have run before the release, and a Role for the pods."""
    write(directory, "shape/Chart.yaml", CHART)
    write(directory, "shape/values.yaml", IMAGE_VALUES)
    beside = f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: reader}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader}}
rules: [{{apiGroups: [""], resources: [configmaps], verbs: [get]}}]
---
apiVersion: batch/v1
kind: Job
metadata: {{name: migrate}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      securityContext: {{runAsNonRoot: true, runAsUser: 65532, seccompProfile: {{type: RuntimeDefault}}}}
      imagePullSecrets: [{{name: gitlab-registry}}]
      containers:
        - name: migrate
          image: {TEMPLATED}
          env: [{{name: MIGRATE, value: "true"}}]
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""
    text = (
        PLAIN.replace("NAME", "shape")
        .replace("IMAGE", TEMPLATED)
        .replace("serviceAccountName: default", "serviceAccountName: reader")
    )
    write(directory, "shape/templates/web.yaml", text + "---" + beside)
    return {"helm": {"chart": "shapes/shape"}}


SHAPES = (starter, umbrella, stateful, prefixed, patched, job_first)


def write(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def theirs(source, directory: Path, namespace: str):
    """What the field's own tool makes of it."""
    if "manifests" in source:
        text = (directory / "web.yaml").read_text()
    elif "kustomize" in source:
        text = run("kubectl", "kustomize", str(directory.parent / source["kustomize"]))
    else:
        values = directory / "values-of-the-test.yaml"
        given = {**source["helm"].get("values", {}), "image": {"repository": REPOSITORY, "tag": TAG}}
        values.write_text(yaml.safe_dump(given))
        chart = str(directory.parent / source["helm"]["chart"])
        text = run("helm", "template", "shop", chart, "-n", namespace, "-f", str(values), "--skip-tests")
    return [it for it in yaml.safe_load_all(text) if it]


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("shape", SHAPES if SOAK else SHAPES[:1], ids=lambda it: it.__name__)
def test_it_is_rendered_as_by_its_own_tool_and_deployed(shape, project, namespace, images, admin):
    directory = project.directory / "shapes"
    directory.mkdir()
    source = shape(directory)
    project.configure(stack(namespace, shop={"source": source})).up(SLIPWAY_IMAGE=images.v1).expect()
    assert outcomes(admin, namespace, "shop") == ["Healthy"]
    rendered = theirs(source, directory, namespace)
    assert len(rendered) >= 3
    for one in rendered:
        kind, name = one["kind"], one["metadata"]["name"]
        if kind in ("Deployment", "HorizontalPodAutoscaler"):
            continue  # the release's own: the next lines
        live = yaml.safe_load(run("kubectl", "get", f"{kind}.{group(one)}", name, "-n", namespace, "-o", "yaml"))
        differs = [path for path in drift(comparable(one), live) if path != "spec.selector"]
        assert differs == [], f"{kind} {name}"
    [deployment] = [it for it in rendered if it["kind"] == "Deployment"]
    live = admin.get(Deployment, "shop", namespace=namespace).to_dict()
    wanted = [{k: v for k, v in it.items() if k != "image"} for it in pods(deployment)["containers"]]
    assert [path for path in drift(wanted, pods(live)["containers"]) if "envFrom" not in path] == []
    assert images.digest("v1") in {it["image"] for it in pods(live)["containers"]}
    assert set(project.up().expect().changes) == {"same"}


def pods(deployment):
    return deployment["spec"]["template"]["spec"]


def group(one):
    group, _, version = one["apiVersion"].rpartition("/")
    return f"{version}.{group}" if group else version + "."


def comparable(one):
    """Without the placeholders of the image, the owner's label, and a Secret's values that are written in the clear."""
    text = yaml.safe_dump({key: it for key, it in one.items() if key not in ("stringData", "apiVersion")})
    text = text.replace(f"{REPOSITORY}:{TAG}", "IMAGE")
    found = yaml.safe_load(text)
    labels = found["metadata"].get("labels") or {}
    for key in ("app.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/instance"):
        labels.pop(key, None)
    return without_images(found)


def without_images(node):
    if isinstance(node, dict):
        return {
            key: without_images(it) for key, it in node.items() if key not in ("image", "app.kubernetes.io/version")
        }
    return [without_images(it) for it in node] if isinstance(node, list) else node
