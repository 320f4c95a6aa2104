"""Production takes what staging has verified, by its digest, on the real engine and cluster."""

import secrets

import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from tests.engine.cluster_view import records
from tests.engine.harness import Project, app, stack
from tests.engine.strategies import soak


@pytest.fixture
def production(tmp_path, namespace, admin: Client, request):
    """A second project whose stack promotes from the first one's namespace; its own namespace goes with it."""
    name = f"{namespace}-prod"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    admin.create(Namespace(metadata=ObjectMeta(name=name, labels=labels)))
    project = Project(tmp_path / secrets.token_hex(2), "production")
    project.namespace = name
    yield project
    admin.delete(Namespace, name)


def settings(namespace, source=None, verified_for="0s"):
    found = stack(namespace, myapp=app(replicas=1))
    if source:
        found["slipway:environment"] |= {
            "name": "production",
            "promoteFrom": {"environment": "staging", "namespace": source, "verifiedFor": verified_for},
        }
    return found


def live(admin, namespace):
    return records(admin, namespace)[-1].release.image


def test_production_takes_the_verified_digest_and_no_other(project, production, namespace, images, admin, pull):
    project.configure(stack(namespace, myapp=app(replicas=1))).up(SLIPWAY_IMAGE=images.v2).expect()
    pull(production.namespace)
    promoting = settings(production.namespace, namespace)
    production.configure(promoting)
    refused = production.up(SLIPWAY_IMAGE=images.v3).expect(1)
    assert f"{images.digest('v3').partition('@')[2]} was never released there" in refused.output
    assert f"verified there is {images.digest('v2').partition('@')[2]}" in refused.output
    production.up().expect()
    assert live(admin, production.namespace) == images.digest("v2") == live(admin, namespace)
    assert set(production.up().expect().changes) == {"same"}
    # A newer one that is not verified for long enough yet.
    project.up(SLIPWAY_IMAGE=images.v3).expect()
    promoting["slipway:environment"]["promoteFrom"]["verifiedFor"] = "1h"
    waiting = production.configure(promoting).up().expect()
    assert "and must be for 1h" in waiting.output
    assert live(admin, production.namespace) == images.digest("v2")
    # Somebody rejects it.
    promoting["slipway:environment"]["promoteFrom"]["verifiedFor"] = "0s"
    production.configure(promoting)
    project.up(SLIPWAY_ACTION="reject", GITLAB_USER_LOGIN="ada").expect()
    assert "by ada" in records(admin, namespace)[-1].rejected
    denied = production.up(SLIPWAY_IMAGE=images.v3).expect(1)
    assert "is rejected there (by ada)" in denied.output
    assert set(project.up().expect().changes) == {"same"}


@soak
def test_after_a_rollback_by_hand_production_stays_until_it_is_told(
    project, production, namespace, images, admin, pull
):
    pull(production.namespace)
    promoting = settings(production.namespace, namespace)
    project.configure(stack(namespace, myapp=app(replicas=1)))
    for version in ("v1", "v2"):
        project.up(SLIPWAY_IMAGE=getattr(images, version)).expect()
        production.configure(promoting).up().expect()
    production.up(SLIPWAY_ACTION="rollback", GITLAB_USER_LOGIN="ada").expect()
    assert live(admin, production.namespace) == images.digest("v1")
    held = production.up().expect()
    assert "users were rolled back" in held.output
    refused = production.up(SLIPWAY_IMAGE=images.v2).expect(1)
    assert "only when SLIPWAY_ACTION=promote says so" in refused.output
    production.up(SLIPWAY_ACTION="promote").expect()
    assert live(admin, production.namespace) == images.digest("v2")
    assert set(production.up().expect().changes) == {"same"}


def test_an_image_whose_checks_failed_in_staging_is_rejected(project, production, namespace, images, pull):
    pull(production.namespace)
    promoting = settings(production.namespace, namespace)
    checks = {"answers": {"http": {"path": "/"}, "interval": "1s"}}
    project.configure(stack(namespace, myapp=app(replicas=1, checks=checks, strategy="blueGreen")))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    project.up(SLIPWAY_IMAGE=images.bad).expect(1)
    refused = production.configure(promoting).up(SLIPWAY_IMAGE=images.bad).expect(1)
    assert "is rejected there (" in refused.output
    assert "answers 500" in refused.output
