"""The code that runs is the code that was approved: images of charts, init containers, workers beside a release."""

import json

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import CronJob

from pulumi_slipway.source.images import containers
from tests.engine.harness import stack
from tests.engine.strategies import SOAK
from tests.engine.test_ports import source

CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: '7'\n"
OLD = "sha256:" + "1" * 64
SCHEMA = {
    "image": {"type": "object", "properties": {"tag": {"type": "string", "pattern": "^v?[0-9]+[.][0-9]+[.][0-9]+$"}}}
}
SHAPES = {
    "digest": (
        "{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:1{{ end }}",
        f"image: {{repository: acme/web, tag: '1.0', digest: '{OLD}'}}\n",
    ),
    "registry": (
        "{{ .Values.global.imageRegistry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}",
        "global: {imageRegistry: docker.io}\nimage: {repository: acme/web, tag: '1.0'}\n",
    ),
    "own tag": ("{{ .Values.image.repository }}:{{ .Values.version }}", "image: {repository: a/web}\nversion: '1.0'\n"),
    "one string": ("{{ .Values.image }}", "image: acme/web:1.0\n"),
    "schema": ("{{ .Values.image.repository }}:{{ .Values.image.tag }}", "image: {repository: a/web, tag: v1.2.3}\n"),
}


def write(project, namespace, files, workload):
    for name, text in files.items():
        path = project.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return project.configure(stack(namespace, web={"progressDeadline": "40s", **workload}))


@pytest.mark.parametrize("shape", SHAPES if SOAK else ("digest",))
def test_a_chart_runs_the_image_that_was_asked_for_whatever_its_values_say(shape, project, namespace, images, admin):
    image, values = SHAPES[shape]
    files = {
        "chart/Chart.yaml": CHART,
        "chart/values.yaml": values,
        "chart/templates/web.yaml": source().replace("IMAGE_PLACEHOLDER", f'"{image}"'),
    }
    if shape == "schema":
        files["chart/values.schema.json"] = json.dumps({"type": "object", "properties": SCHEMA})
    write(project, namespace, files, {"source": {"helm": {"chart": "chart"}}})
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    found = admin.get(Deployment, "web", namespace=namespace).to_dict()
    assert {it["image"] for it in containers(found)} == {images.digest("v2")}


def test_an_image_that_is_only_partly_the_releases_is_refused_with_the_value_to_set(project, namespace, images):
    worker = "---\n" + source().partition("---")[0].replace("name: web}", "name: worker}").replace("app: web", "app: w")
    files = {
        "chart/Chart.yaml": CHART,
        "chart/values.yaml": "image: {repository: acme/web, tag: '1.0'}\n",
        "chart/templates/web.yaml": source().replace(
            "IMAGE_PLACEHOLDER", '"{{ .Values.image.repository }}:{{ .Values.image.tag }}"'
        )
        + worker.replace("IMAGE_PLACEHOLDER", '"acme/worker:{{ .Values.image.tag }}"'),
    }
    write(project, namespace, files, {"source": {"helm": {"chart": "chart"}}})
    refused = project.preview(SLIPWAY_IMAGE=images.v1).expect(1)
    assert (
        "container app would get the image acme/worker:<tag>: it has the workload's tag and another" in refused.output
    )


CRON = """---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: IMAGE_PLACEHOLDER}]}}}}
"""


WAITING = {
    "canary": {"canary": {"steps": [{"replicas": 1}], "checks": []}},
    "blueGreen": {"blueGreen": {"autoPromote": False}},
}


@pytest.mark.parametrize("strategy", WAITING if SOAK else ("canary",))
def test_what_serves_nobody_keeps_the_image_that_is_live_until_the_release_is_healthy(
    strategy, project, namespace, images, admin
):
    worker = "---\n" + source().partition("---")[0].replace("name: web}", "name: worker}").replace("app: web", "app: w")
    workload = {"source": {"manifests": "web.yaml", "deployment": "web"}, "checks": {}, "strategy": WAITING[strategy]}
    write(project, namespace, {"web.yaml": source() + worker + CRON}, workload)

    def running():
        found = [
            admin.get(Deployment, "worker", namespace=namespace).to_dict(),
            admin.get(CronJob, "nightly", namespace=namespace).to_dict(),
        ]
        return [it["image"] for one in found for it in containers(one)]

    project.up(SLIPWAY_IMAGE=images.v1).expect()
    assert running() == [images.digest("v1")] * 2
    assert "Paused" in project.up(SLIPWAY_IMAGE=images.v2).expect().output
    assert running() == [images.digest("v1")] * 2
    project.up().expect()
    project.up(SLIPWAY_ACTION="settle").expect()
    assert running() == [images.digest("v1")] * 2, "nor by a run that holds"
    project.up(SLIPWAY_ACTION="promote").expect()
    assert running() == [images.digest("v2")] * 2


def test_an_init_container_of_the_same_image_goes_with_it(project, namespace, images, admin):
    pod = f"""initContainers:
      - name: migrate
        image: {images.v1}
        env: [{{name: MIGRATE, value: 'true'}}]
        securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}"""
    text = source(pod=pod).replace("IMAGE_PLACEHOLDER", images.v1)
    write(project, namespace, {"web.yaml": text}, {"source": {"manifests": "web.yaml"}})
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    found = admin.get(Deployment, "web", namespace=namespace).to_dict()
    assert {it["name"]: it["image"] for it in containers(found)} == dict.fromkeys(
        ("migrate", "app"), images.digest("v2")
    )


def test_two_workloads_that_make_the_same_objects_are_refused_in_the_preview(project, namespace, images):
    one, two = (source().replace("name: web}", f"name: {it}}}").replace("app: web", f"app: {it}") for it in "ab")
    (project.directory / "all.yaml").write_text(one + "---" + two)
    workload = {"source": {"manifests": "all.yaml"}}
    project.configure(stack(namespace, a=workload, b=workload))
    refused = project.preview(SLIPWAY_IMAGE_A=images.v1, SLIPWAY_IMAGE_B=images.v2).expect(1)
    assert "slipway:workloads.b.source: makes the same objects as workload a: " in refused.output
    assert "Deployment b" in refused.output
    assert "Traceback" not in refused.output


def test_a_chart_with_a_value_of_its_own_at_each_rendering_is_refused_by_name(project, namespace, images):
    files = {
        "chart/Chart.yaml": CHART,
        "chart/values.yaml": "image: {repository: acme/web, tag: '1.0'}\n",
        "chart/templates/web.yaml": source().replace("IMAGE_PLACEHOLDER", '"{{ .Values.image.repository }}:1"'),
        "chart/templates/pw.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: pw}\ndata:\n"
        '  {{- $old := lookup "v1" "Secret" .Release.Namespace "pw" }}\n'
        "  password: {{ if $old }}{{ $old.data.password }}{{ else }}{{ randAlphaNum 12 | b64enc }}{{ end }}\n",
    }
    write(project, namespace, files, {"source": {"helm": {"chart": "chart"}}})
    refused = project.preview(SLIPWAY_IMAGE=images.v1).expect(1)
    assert "Secret pw (chart chart): data.password has another value at each rendering" in refused.output
