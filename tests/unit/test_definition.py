"""What a workload is by its source: found, filled, completed."""

import contextlib
import json
from pathlib import Path

import pytest
import yaml

from pulumi_slipway.settings.source import Source
from pulumi_slipway.source.definition import define
from pulumi_slipway.source.documents import documents
from pulumi_slipway.source.rendered import IMAGE, Rendered, SourceError, filled
from tests.wrong_sources import DEPLOYMENT, GOOD, WRONG_SOURCES

IMAGE_V1 = "registry.example.com:5000/group/app@sha256:" + "1" * 64
SOURCE = Source(manifests="k8s/web.yaml")


def rendered(text, path="k8s/web.yaml"):
    return [Rendered(yaml.safe_load(it.text), it.place) for it in documents("p", Path(path), text)]


def defined(text, source=SOURCE):
    return define("web", source, rendered(text), "staging", 3)


def container(definition, image=IMAGE_V1):
    template, _ = definition.pod_template(image, None)
    return template["spec"]["containers"][0]


def test_the_image_is_filled_in_and_zero_downtime_added_where_the_author_said_nothing():
    found = defined(GOOD)
    main = container(found)
    assert main["image"] == IMAGE_V1
    assert main["readinessProbe"]["tcpSocket"] == {"port": 3000}
    assert main["lifecycle"]["preStop"] == {"sleep": {"seconds": 3}}
    assert len(found.additions) == 4
    assert main["ports"] == [{"containerPort": 3000, "name": "tcp-80"}]


def test_what_the_author_said_stays():
    text = GOOD.replace(
        "{name: app,",
        "{name: app, readinessProbe: {exec: {command: [x]}}, lifecycle: {preStop: {exec: {command: [y]}}},",
    ).replace("spec:\n  selector: {m", "spec:\n  strategy: {type: Recreate}\n  selector: {m")
    text = text.replace("{containerPort: 3000}", "{containerPort: 3000, name: web}")
    found = defined(text)
    assert container(found)["readinessProbe"] == {"exec": {"command": ["x"]}}
    assert container(found)["lifecycle"] == {"preStop": {"exec": {"command": ["y"]}}}
    assert found.additions == ()


def test_a_pause_is_added_beside_a_post_start_and_the_grace_is_raised_to_it():
    text = GOOD.replace("{name: app,", "{name: app, lifecycle: {postStart: {exec: {command: [x]}}},")
    found = defined(text.replace("containers:", "terminationGracePeriodSeconds: 2, containers:"))
    assert container(found)["lifecycle"] == {
        "postStart": {"exec": {"command": ["x"]}},
        "preStop": {"sleep": {"seconds": 3}},
    }
    template, _ = found.pod_template(IMAGE_V1, None)
    assert template["spec"]["terminationGracePeriodSeconds"] == 5
    assert any("terminationGracePeriodSeconds: 5" in line for line in found.additions)
    former, _ = found.pod_template(IMAGE_V1, None, former=True)
    assert former["spec"]["terminationGracePeriodSeconds"] == 2


def test_the_readiness_probe_is_of_the_container_that_has_the_named_port():
    text = GOOD.replace("targetPort: 3000", "targetPort: proxy").replace(
        "containers: [", "containers: [{name: proxy, image: p, ports: [{name: proxy, containerPort: 4180}]}, "
    )
    found = defined(text, Source(manifests="k8s/web.yaml", container="app"))
    proxy, app = (it for it in found.pod_template(IMAGE_V1, None)[0]["spec"]["containers"])
    assert proxy["readinessProbe"]["tcpSocket"] == {"port": "proxy"}
    assert "readinessProbe" not in app


def test_a_number_that_would_arrive_as_another_is_refused():
    quota = "apiVersion: example.com/v1\nkind: Quota\nmetadata: {name: q}\n"
    large = "\n---\n" + quota + "spec: {limits: [{bytes: 9007199254740993}]}\n"
    with pytest.raises(SourceError, match=r"Quota q .*: spec.limits\[0\].bytes is 9007199254740993, more than 2\^53"):
        defined(GOOD + large)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (IMAGE, IMAGE_V1),
        ("IMAGE_PLACEHOLDER", IMAGE_V1),
        ("slipway.invalid/image", "registry.example.com:5000/group/app"),
        ("v0.0.0-slipway", "v" + "1" * 12),
        ("--image=IMAGE_PLACEHOLDER", f"--image={IMAGE_V1}"),
        (3, 3),
        ("nginx:1", "nginx:1"),
    ],
)
def test_placeholders(given, made):
    assert filled({"a": [given]}, IMAGE_V1) == {"a": [made]}


CONFIG = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {A: one}\n"


@pytest.mark.parametrize(
    "reference",
    [
        "envFrom: [{configMapRef: {name: conf}}]",
        "env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: A}}}]",
    ],
)
def test_configuration_is_copied_by_its_content(reference):
    text = GOOD.replace("{name: app,", f"{{name: app, {reference},") + CONFIG
    template, held = defined(text).pod_template(IMAGE_V1, None)
    other, others = defined(text.replace("one", "two")).pod_template(IMAGE_V1, None)
    (key,), (changed,) = held, others
    assert key != changed
    assert key.removeprefix("ConfigMap/") in str(template["spec"])
    assert template["metadata"]["annotations"]["slipway.dev/holds"] == key
    assert other != template


def test_a_volume_of_configuration_too():
    volumes = (
        "volumes: [{name: a, configMap: {name: conf}}, {name: b, projected: {sources: [{configMap: {name: conf}}]}}]"
    )
    text = GOOD.replace("spec: {containers", f"spec: {{{volumes}, containers") + CONFIG
    template, (key,) = defined(text).pod_template(IMAGE_V1, None)
    assert str(template["spec"]).count(key.removeprefix("ConfigMap/")) == 2


def test_configuration_that_no_pod_refers_to_changes_no_release():
    one, two = defined(GOOD + CONFIG), defined(GOOD + CONFIG.replace("one", "two"))
    assert one.pod_template(IMAGE_V1, None) == two.pod_template(IMAGE_V1, None)


TOLD_BY_OTHERS = (
    "no-file",
    "not-text",
    "host-path",
    "privileged",
    "a-ledger-of-its-own",
    "custom-resource-before-its-kind",
)
"""By the renderer, the policy and the cluster: tests/engine/test_wrong_sources.py."""


@pytest.mark.parametrize(
    "wrong",
    [it for it in WRONG_SOURCES if "manifests" in it.source and it.id not in TOLD_BY_OTHERS],
    ids=lambda it: it.id,
)
def test_a_wrong_source_is_told(wrong):
    source = Source.model_validate(dict(wrong.source), by_name=False)
    with pytest.raises(SourceError) as told:
        define("myapp", source, [it for path, text in wrong.files.items() for it in rendered(text, path)], "staging", 3)
    assert all(part in str(told.value) for part in wrong.said), told.value


def test_documents_keep_their_numbers_past_empty_ones_and_their_text():
    text = "# only a comment\n---\n---\n  kind: A\n  apiVersion: v1\n---\n{kind: B, apiVersion: v1}\n"
    found = documents("p", Path("x.yaml"), text)
    assert [it.place for it in found] == ["x.yaml, document 2", "x.yaml, document 3"]
    assert [yaml.safe_load(it.text)["kind"] for it in found] == ["A", "B"]


def test_a_named_deployment_leaves_the_others_beside_it():
    text = GOOD + "---" + DEPLOYMENT.replace("name: web}", "name: worker}")
    assert [it.name for it in defined(text).others] == ["worker"]


def places(node, path=()):
    """Every place in a manifest, as the keys that lead there."""
    yield path
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield from places(value, (*path, key))


WHOLE = (
    GOOD.replace("image:", "envFrom: [{configMapRef: {name: c}}, {secretRef: {name: s}}], image:")
    + """---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, annotations: {a: b}}, data: {A: b}}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {A: Yg==}, stringData: {B: c}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: p}, spec: {selector: {matchLabels: {app: web}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: h}
spec: {maxReplicas: 2, scaleTargetRef: {kind: Deployment, name: web}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {restartPolicy: Never}}}}
"""
)
"""Of every kind that is read field by field, and one that isn't."""


@pytest.mark.parametrize("wrong", [3, "x", [], [3], {}, None, {"a": 3}], ids=str)
def test_whatever_stands_in_a_fields_place_is_taken_or_told(wrong):
    whole = [it.manifest for it in rendered(WHOLE)]
    for number, document in enumerate(whole):
        for path in places(document):
            if path in ((), ("kind",), ("apiVersion",)):
                continue
            changed = json.loads(json.dumps(whole))
            node = changed[number]
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = wrong
            with contextlib.suppress(SourceError):
                found = define("web", SOURCE, [Rendered(it, "k8s/web.yaml") for it in changed], "staging", 3)
                found.pod_template(IMAGE_V1, "web-env")
                assert found.replicas is not None
                assert found.asked
                assert found.autoscaler in (None, changed[-2])
                assert found.disruption_budget in (True, False)
