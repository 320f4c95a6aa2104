"""A source brings an object with the name of one that Slipway keeps for itself: a forged ledger, another's track."""

import pytest
import yaml

from pulumi_slipway.preflight.environment import refuse_own_names
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.settings import Workload
from pulumi_slipway.settings.source import Source
from pulumi_slipway.source.definition import define
from pulumi_slipway.source.rendered import Rendered, SourceError
from tests.unit.test_service_ports import ENVIRONMENT, subject
from tests.wrong_sources import GOOD

PODS = (
    "spec: {selector: {matchLabels: {x: y}}, template: {metadata: {labels: {x: y}}, "
    "spec: {containers: [{name: c, image: x}]}}}"
)


def with_object(kind: str, name: str) -> Subject:
    version = {"Deployment": "apps/v1"}.get(kind, "v1")
    spec = {"Deployment": PODS, "Service": "spec: {ports: [{port: 1}]}"}.get(kind, "data: {}")
    return subject(3000, "http", more=f"---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\n{spec}\n")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ConfigMap", "web-releases"),
        ("ConfigMap", "api-releases"),
        ("ConfigMap", "slipway-preview-staging"),
        ("ConfigMap", "slipway-preview-production"),
        ("ConfigMap", "slipway-jobs"),
        ("Service", "web-preview"),
        ("Service", "api-preview"),
    ],
)
def test_an_object_that_slipway_keeps_for_itself_is_refused_before_anything_is_written(kind, name):
    others = Subject("api", ENVIRONMENT, Workload.model_validate({}))
    with pytest.raises(SourceError) as told:
        refuse_own_names([with_object(kind, name), others])
    assert str(told.value).startswith(f"slipway:workloads.web.source: {kind} {name}")
    assert "call it something else" in str(told.value)


@pytest.mark.parametrize("track", ["blue", "green", "canary"])
def test_a_second_deployment_that_has_the_name_of_a_track_is_refused(track):
    with pytest.raises(SourceError, match=f"Deployment web-{track} .*call it something else"):
        refuse_own_names([subject_with_deployment(f"web-{track}")])


def subject_with_deployment(name: str) -> Subject:
    text = f"{GOOD}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\n{PODS}\n"
    objects = [Rendered(it, "x") for it in yaml.safe_load_all(text) if it]
    found = define("web", Source(manifests="x", deployment="web"), objects, "staging", 3)
    return Subject("web", ENVIRONMENT, Workload.model_validate({}), found)


@pytest.mark.parametrize(
    ("kind", "name"), [("ConfigMap", "web-config"), ("Service", "web-public"), ("Secret", "web-releases")]
)
def test_other_names_are_the_sources_own(kind, name):
    refuse_own_names([with_object(kind, name)])
