"""An object that changes its place in the program, or is to be replaced by a command, stays: no request is lost."""

import pytest

from tests.engine.cluster_view import outcomes, pods
from tests.engine.harness import app, stack

KINDS = ["Service", "Deployment", "ConfigMap"]


def urn_of(project, kind):
    (found,) = [it["urn"] for it in project.resources(f":{kind}") if it["urn"].rpartition("::")[2].startswith("myapp")]
    return found


@pytest.fixture
def deployed(project, namespace, images, load):
    project.configure(stack(namespace, myapp=app())).up(SLIPWAY_IMAGE=images.v1).expect()
    return project


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_that_was_renamed_in_the_state_is_taken_along(deployed, namespace, images, admin, load, kind):
    before = pods(admin, namespace)
    deployed.pulumi("state", "rename", urn_of(deployed, kind), "myapp-moved", "--yes", "--stack", "staging").expect()
    shown = deployed.preview().expect()
    assert set(shown.changes) == {"same"}, shown.output
    with load("myapp") as run:
        deployed.up().expect()
        deployed.up(SLIPWAY_IMAGE=images.v2).expect()
    assert run.result.failed == 0, run.result.samples
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]
    assert not before & pods(admin, namespace), "v2 has pods of its own"


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_is_to_be_replaced_is_not_deleted(deployed, namespace, images, admin, load, kind):
    urn = urn_of(deployed, kind)
    with load("myapp") as run:
        deployed.pulumi("state", "taint", urn, "--yes", "--stack", "staging").expect()
        refused = deployed.up().expect(1)
        assert any("is not replaced: it would be deleted" in line for line in refused.messages), refused.output
        deployed.up("--continue-on-error").expect(1)
        deployed.pulumi("state", "untaint", urn, "--yes", "--stack", "staging").expect()
        deployed.up("--replace", urn).expect(1)
        deployed.up(SLIPWAY_IMAGE=images.v2).expect()
    assert run.result.failed == 0, run.result.samples
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]
