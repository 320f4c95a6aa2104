"""The code that runs is the code that was asked for: the shapes in which sources write down an image."""

import pytest
import yaml

from pulumi_slipway.settings.source import Source
from pulumi_slipway.source.definition import define
from pulumi_slipway.source.images import containers
from pulumi_slipway.source.rendered import IMAGE, Rendered, SourceError, filled
from tests.wrong_sources import GOOD

IMAGE_V2 = "registry.example.com:5000/group/app@sha256:" + "2" * 64
OLD = "sha256:" + "1" * 64


@pytest.mark.parametrize(
    "rendered",
    [
        IMAGE,
        f"slipway.invalid/image@{OLD}",  # image.digest wins in the chart
        f"{IMAGE}@{OLD}",
        "slipway.invalid/image:1.0",  # the tag of another value
        f"{IMAGE}:v1.2.3",  # the repository alone is a value
        f"docker.io/{IMAGE}",  # image.registry, global.imageRegistry
        f"mirror.example.com:5000/{IMAGE}@{OLD}",
        "slipway.invalid/image:v0.0.0-slipway",
        "IMAGE_PLACEHOLDER",
        "IMAGE_PLACEHOLDER:1.0",  # an overlay's newName, or a repository among a chart's values
        f"docker.io/IMAGE_PLACEHOLDER@{OLD}",
    ],
)
def test_whatever_a_chart_makes_of_the_placeholders_is_the_image(rendered):
    assert filled(rendered, IMAGE_V2) == IMAGE_V2
    assert filled(f"--image={rendered}", IMAGE_V2) == f"--image={IMAGE_V2}"


def defined(image: str, more: str = "", pod: str = ""):
    text = GOOD.replace("image: IMAGE_PLACEHOLDER", f"image: '{image}'").replace(
        "spec: {containers", f"spec: {{{pod}containers"
    )
    objects = [Rendered(it, "chart web") for it in yaml.safe_load_all(text + more) if it]
    return define("web", Source(manifests="x"), objects, "staging", 3)


@pytest.mark.parametrize(
    "image", ["map[repository:slipway.invalid/image tag:0.0.0-slipway]", "acme/web:0.0.0-slipway", "a:1"]
)
def test_the_workloads_container_gets_the_image_whatever_the_chart_made_of_its_values(image):
    template, _ = defined(image).pod_template(IMAGE_V2, None)
    assert [it["image"] for it in containers(template)] == [IMAGE_V2]


CRON = """---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: "@daily", jobTemplate: {spec: {template: {spec: {containers: [{name: job, image: "%s"}]}}}}}
"""


def test_init_containers_workers_and_cron_jobs_of_the_same_literal_image_go_with_it():
    beside = CRON % "acme/web:1.0" + CRON.replace("nightly", "other") % "acme/x:1"
    pod = "initContainers: [{name: migrate, image: 'acme/web:1.0'}, {name: wait, image: busybox}], "
    found = defined("acme/web:1.0", beside, pod)
    template, _ = found.pod_template(IMAGE_V2, None)
    assert {it["name"]: it["image"] for it in containers(template)} == {
        "app": IMAGE_V2,
        "migrate": IMAGE_V2,
        "wait": "busybox",
    }
    assert [it["image"] for other in found.others for it in containers(filled(other.manifest, IMAGE_V2))] == [
        IMAGE_V2,
        "acme/x:1",
    ]
    assert any("image of migrate" in line for line in found.additions)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("map[repository:slipway.invalid/image tag:0.0.0-slipway]", "takes the image as one string"),
        ("acme/worker:0.0.0-slipway", "acme/worker:<tag>: it has the workload's tag and another repository"),
        (
            "slipway.invalid/image-worker:0.0.0-slipway",
            "<repository>-worker:<tag>: it is another image than the workload's",
        ),
    ],
)
def test_a_part_of_the_image_is_refused_with_the_value_to_set(image, said):
    with pytest.raises(SourceError) as told:
        defined("IMAGE_PLACEHOLDER", CRON % image)
    assert "CronJob nightly (chart web): container job would get the image" in str(told.value)
    assert said in str(told.value)
    assert "source.helm." in str(told.value)
