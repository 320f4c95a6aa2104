"""What admission has made of an object is told from drift, with a dry run and without."""

import copy
from typing import Any

import pytest

from pulumi_slipway.release.admitted import Admission


def deployment(image: str = "app@sha256:1", release: str = "r1", **spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"slipway.dev/release": release}},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }
    metadata = {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": {}}
    return {"metadata": metadata, "spec": {"replicas": 2, "template": template, **spec}}


class Cluster:
    """Answers a dry run with what it is given; None: it has none."""

    def __init__(self, made: dict[str, Any] | None) -> None:
        self.made, self.asked = made, 0

    def apply_dry(self, manifest: object, manager: str) -> dict[str, Any] | None:
        self.asked += 1
        return self.made


def explains(wanted: Any, live: Any, *, made: Any = None, written: Any = None) -> bool:
    admission = Admission(Cluster(made), lambda kind, metadata: written)  # type: ignore[arg-type]
    return admission.explains("Deployment", wanted, live)


def injected() -> dict[str, Any]:
    live = deployment()
    live["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "proxy"})
    return live


@pytest.mark.parametrize("live", [deployment("mirror/app@sha256:1"), injected()])
def test_what_a_dry_run_comes_to_is_no_drift(live: Any) -> None:
    assert explains(deployment(), live, made=copy.deepcopy(live))
    assert not explains(deployment(), live, made=deployment()), "the webhook is gone: it would change"
    assert not explains(deployment(), {**live, "spec": {**live["spec"], "replicas": 1}}, made=live), "a person's"


def test_what_is_as_wanted_costs_no_request() -> None:
    cluster = Cluster(None)
    assert not Admission(cluster, lambda kind, metadata: None).explains("Deployment", deployment(), deployment())  # type: ignore[arg-type]
    assert cluster.asked == 0


def test_without_a_dry_run_the_template_of_the_same_release_is_as_the_last_run_left_it() -> None:
    live = deployment("mirror/app@sha256:1")
    assert explains(deployment(), live, written=copy.deepcopy(live))
    assert not explains(deployment("app@sha256:2", "r2"), live, written=live), "a new release"
    assert not explains(deployment(), deployment("other@sha256:3"), written=live), "a person's"
    assert not explains(deployment(), {**live, "spec": {**live["spec"], "replicas": 1}}, written=live), "scaled"
    assert not explains(deployment(), live), "the state does not know it"
