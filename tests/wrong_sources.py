"""Wrong sources and the line that tells each: read by the unit tests, and run through the real engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: IMAGE_PLACEHOLDER, ports: [{containerPort: 3000}]}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 3000}]}
"""
GOOD = f"{DEPLOYMENT}---{SERVICE}"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
CHART = {"chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n", "chart/templates/web.yaml": GOOD}
MANIFESTS = {"manifests": "k8s/*.yaml"}


@dataclass(frozen=True)
class WrongSource:
    """One wrong thing: its files, the workload's `source`, and what must be said."""

    id: str
    files: Mapping[str, str]
    said: tuple[str, ...]
    source: Mapping[str, Any] = field(default_factory=lambda: MANIFESTS)


def _two(text: str) -> Mapping[str, str]:
    return {"k8s/web.yaml": f"{GOOD}---\n{text}"}


WRONG_SOURCES = [
    WrongSource("syntax-error", _two("a: [1"), ("k8s/web.yaml, document 3", "line")),
    WrongSource("tab", _two("a:\n\tb: 1"), ("k8s/web.yaml, document 3",)),
    WrongSource("key-twice", _two("kind: A\nkind: B\napiVersion: v1"), ("document 3", "has kind twice")),
    WrongSource("a-list", _two("- kind: A"), ("document 3", "must be a mapping")),
    WrongSource("no-kind", _two("apiVersion: v1"), ("document 3", "has no kind")),
    WrongSource("no-api-version", _two("kind: ConfigMap"), ("document 3", "has no apiVersion")),
    WrongSource("no-name", _two("apiVersion: v1\nkind: ConfigMap\nmetadata: {}"), ("ConfigMap without metadata.name",)),
    WrongSource(
        "a-word-for-a-number",
        {"k8s/web.yaml": GOOD.replace("spec:\n", 'spec:\n  replicas: "three"\n', 1)},
        ("Deployment web", "document 1", "spec.replicas: expected `int | null`, got `str`"),
    ),
    WrongSource(
        "misspelt-port",
        {"k8s/web.yaml": GOOD.replace("containerPort", "containerPrt")},
        ("document 1", "spec.template.spec.containers[0].ports[0]: object missing required field `containerPort`"),
    ),
    WrongSource(
        "ports-no-list",
        {"k8s/web.yaml": GOOD.replace("[{containerPort: 3000}]", "3000")},
        ("spec.template.spec.containers[0].ports: expected `array | null`, got `int`",),
    ),
    WrongSource(
        "resources-a-word",
        {"k8s/web.yaml": GOOD.replace("image: IMAGE", "resources: big, image: IMAGE")},
        ("spec.template.spec.containers[0].resources: expected `object | null`, got `str`",),
    ),
    WrongSource(
        "secret-no-text",
        _two("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {TOK: 12345678}"),
        ("Secret a", "document 3", "stringData.TOK: must be a text"),
    ),
    WrongSource("object-twice", _two(SERVICE), ("Service web is there twice", "document 2", "document 3")),
    WrongSource(
        "two-deployments",
        {
            "k8s/a.yaml": GOOD.replace("name: web}", "name: a}"),
            "k8s/b.yaml": DEPLOYMENT.replace("name: web}", "name: b}"),
        },
        ("there are 2 Deployments, none called myapp", "a, b"),
    ),
    WrongSource("no-deployment", {"k8s/web.yaml": SERVICE}, ("there is no Deployment",)),
    WrongSource("no-service", {"k8s/web.yaml": DEPLOYMENT}, ("there is no Service",)),
    WrongSource(
        "deployment-not-there",
        {"k8s/web.yaml": GOOD},
        ("deployment api is not among the objects", "web"),
        {**MANIFESTS, "deployment": "api"},
    ),
    WrongSource(
        "container-not-there",
        {"k8s/web.yaml": GOOD},
        ("container side is not in Deployment web", "app"),
        {**MANIFESTS, "container": "side"},
    ),
    WrongSource(
        "old-api-version",
        {"k8s/web.yaml": GOOD.replace("apps/v1", "extensions/v1beta1")},
        ("has Deployments in apps/v1",),
    ),
    WrongSource(
        "selector-not-on-pods",
        {"k8s/web.yaml": GOOD.replace("metadata: {labels: {app: web}}", "metadata: {labels: {app: api}}")},
        ("are not on its pod template",),
    ),
    WrongSource(
        "service-of-other-pods",
        {"k8s/web.yaml": GOOD.replace("{selector: {app: web}, ports", "{selector: {app: api}, ports")},
        ("there is no Service",),
    ),
    WrongSource(
        "two-containers",
        {
            "k8s/web.yaml": GOOD.replace(
                "[{name: app, image: IMAGE_PLACEHOLDER, ports: [{containerPort: 3000}]}]",
                "[{name: a, image: x}, {name: b, image: y}]",
            )
        },
        ("has 2 containers, none called myapp", "a, b"),
    ),
    WrongSource(
        "other-namespace",
        {"k8s/web.yaml": GOOD.replace("kind: Service\nmetadata: {", "kind: Service\nmetadata: {namespace: other, ")},
        ("is for namespace other",),
    ),
    WrongSource(
        "a-namespace", _two("apiVersion: v1\nkind: Namespace\nmetadata: {name: x}"), ("made by the access stack",)
    ),
    WrongSource(
        "two-megabytes",
        _two("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata: {a: " + "x" * (2 << 20) + "}"),
        ("ConfigMap big", "holds 2.0 MiB"),
    ),
    WrongSource("anchors-bomb", _two(f"apiVersion: v1\nkind: ConfigMap\n{BOMB}"), ("document 3", "anchors multiply")),
    WrongSource("endless-anchor", _two("apiVersion: v1\nkind: ConfigMap\nmetadata: &a {name: *a}"), ("document 3",)),
    WrongSource("no-file", {}, ("no file is called k8s/*.yaml",)),
    WrongSource("not-text", {"k8s/web.yaml": "\udcff\udcfe"}, ("is not UTF-8 text",)),
    WrongSource("no-directory", {}, ("there is no directory overlay",), {"kustomize": "overlay"}),
    WrongSource("no-kustomization", {"overlay/a.txt": "x"}, ("has no kustomization.yaml",), {"kustomize": "overlay"}),
    WrongSource(
        "kustomization-names-nothing",
        {"overlay/kustomization.yaml": "resources: [nothing.yaml]"},
        ("nothing.yaml",),
        {"kustomize": "overlay"},
    ),
    WrongSource("no-chart", {}, ("there is no chart chart",), {"helm": {"chart": "chart"}}),
    WrongSource(
        "template-error",
        {**CHART, "chart/templates/x.yaml": "{{ .Values.a.b.c }}"},
        ("x.yaml",),
        {"helm": {"chart": "chart"}},
    ),
    WrongSource(
        "no-values-file",
        CHART,
        ("there is no file values-x.yaml",),
        {"helm": {"chart": "chart", "valuesFiles": ["values-x.yaml"]}},
    ),
    WrongSource(
        "values-are-a-list",
        {**CHART, "v.yaml": "[1]"},
        ("v.yaml must be a mapping",),
        {"helm": {"chart": "chart", "valuesFiles": ["v.yaml"]}},
    ),
    WrongSource(
        "helm-hook",
        {
            **CHART,
            "chart/templates/hook.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, "
            "annotations: {helm.sh/hook: pre-upgrade}}\nspec: {}",
        },
        ("the chart has Helm hooks: Job migrate", "helm.hooks"),
        {"helm": {"chart": "chart"}},
    ),
    WrongSource(
        "unreachable-chart",
        {},
        ("chart oci://127.0.0.1:1/charts/web",),
        {"helm": {"chart": "oci://127.0.0.1:1/charts/web", "version": "1.0.0"}},
    ),
    WrongSource(
        "host-path",
        {
            "k8s/web.yaml": GOOD.replace(
                "spec: {containers", "spec: {volumes: [{name: v, hostPath: {path: /}}], containers"
            )
        },
        ("slipway:environment.policy.hostPath", "mounts / of the node"),
    ),
    WrongSource(
        "privileged",
        {"k8s/web.yaml": GOOD.replace("{name: app,", "{name: app, securityContext: {privileged: true},")},
        ("slipway:environment.policy.privileged", "container app is privileged"),
    ),
    WrongSource(
        "a-ledger-of-its-own",
        _two("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: myapp-releases}"),
        ("ConfigMap myapp-releases", "call it something else"),
    ),
    WrongSource(
        "custom-resource-before-its-kind",
        _two("apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}"),
        ("example.com/v1", "Widget w"),
    ),
]
