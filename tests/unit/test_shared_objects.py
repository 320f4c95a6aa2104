"""Two workloads of one environment that make the same object are refused before anything is written."""

import pytest
import yaml

from pulumi_slipway.preflight.environment import refuse_shared_objects
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.settings import Workload
from pulumi_slipway.settings.source import Source
from pulumi_slipway.source.definition import Definition, define
from pulumi_slipway.source.rendered import Rendered, SourceError
from tests.unit.test_service_ports import ENVIRONMENT, SECOND, subject
from tests.wrong_sources import GOOD


def called(name: str, more: str = "") -> Subject:
    one = subject(3000, "http", more=more)
    return Subject(name, one.environment, one.workload, one.source)


def test_the_same_service_from_one_file_is_refused_by_name():
    with pytest.raises(SourceError) as told:
        refuse_shared_objects([called("a", SECOND), called("b", SECOND)])
    assert str(told.value).startswith(
        "slipway:workloads.b.source: makes the same objects as workload a: Service web, Service public: give each"
    )


def test_an_object_beside_that_is_anothers_deployment_is_refused():
    beside = SECOND.replace("kind: Service", "kind: Deployment").replace("apiVersion: v1", "apiVersion: apps/v1")
    beside = beside[: beside.index("spec:")] + "spec: {selector: {matchLabels: {x: y}}, template: {metadata: {labels: "
    beside += "{x: y}}, spec: {containers: [{name: c, image: x}]}}}"
    settings = Subject("public", ENVIRONMENT, Workload.model_validate({}))
    whole = Subject("web", ENVIRONMENT, Workload.model_validate({}), subject_with(beside))
    with pytest.raises(SourceError, match="Deployment public"):
        refuse_shared_objects([settings, whole])


def subject_with(more: str) -> Definition:
    objects = [Rendered(it, "x") for it in yaml.safe_load_all(GOOD + more) if it]
    return define("web", Source(manifests="x", deployment="web"), objects, "staging", 3)


def test_workloads_with_objects_of_their_own_are_not():
    refuse_shared_objects([called("a"), Subject("b", ENVIRONMENT, Workload.model_validate({}))])
