"""The rights that the access stack gives are enough: to release with one token, to preview with the other."""

import base64
import json
import os
from pathlib import Path

import pytest
from lightkube import Client
from lightkube.resources.apps_v1 import Deployment

from tests.engine.access_stack import AccessStack
from tests.engine.harness import Project, app
from tests.engine.harness import stack as blocks


@pytest.fixture(scope="module")
def access(tmp_path_factory, registry):
    """A stack whose pull secret is the sandbox's registry login, put in as a secret."""
    stack = AccessStack(tmp_path_factory.mktemp("identities"))
    config = json.loads((Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text())
    user, _, password = base64.b64decode(config["auths"][registry]["auth"]).decode().partition(":")
    stack.configure({"staging": {}}, registry={"server": registry, "username": user})
    stack.run.secret("slipway:access.registry.password", password)
    stack.up()
    yield stack
    stack.discard()


def test_a_deploy_job_releases_and_removes_and_a_merge_request_previews(access, tmp_path, images, admin: Client):
    namespace = access.namespace("staging")
    jobs = Project(tmp_path)
    # What an administrator has is taken from the jobs.
    jobs.environ = {key: value for key, value in jobs.environ.items() if key not in ("GITLAB_TOKEN", "KUBECONFIG")}
    deploy = access.kubeconfig("staging", tmp_path)
    preview = access.kubeconfig("staging", tmp_path, "KUBECONFIG_PREVIEW_FILE")
    everything = app(
        autoscaler={"min": 1, "max": 2},
        replicas=None,
        ingress={"host": "app.example.com"},
        networkPolicy={"allowFrom": [namespace]},
    )
    jobs.configure(blocks(namespace, myapp=everything))
    shown = jobs.preview(KUBECONFIG=preview, SLIPWAY_IMAGE=images.v1).expect()
    assert shown.changes["create"] > 5
    jobs.up(KUBECONFIG=deploy, SLIPWAY_IMAGE=images.v1).expect()
    live = admin.get(Deployment, "myapp", namespace=namespace)
    assert live.status.availableReplicas >= 1

    # The other kinds go: deletes need list and watch. A switch reads endpoints, a check asks the preview Service.
    checked = app(replicas=2, strategy="blueGreen", checks={"answers": {"http": {"path": "/healthz"}}})
    jobs.configure(blocks(namespace, myapp=checked))
    shown = jobs.preview(KUBECONFIG=preview, SLIPWAY_IMAGE=images.v2).expect()
    assert shown.changes["delete"] >= 3
    refused = jobs.up(KUBECONFIG=preview, SLIPWAY_IMAGE=images.v2)
    assert refused.status != 0
    assert "Traceback" not in refused.output
    assert admin.get(Deployment, "myapp", namespace=namespace).metadata.generation == live.metadata.generation

    released = jobs.up(KUBECONFIG=deploy, SLIPWAY_IMAGE=images.v2).expect()
    assert "Service myapp-preview /healthz answers 200" in released.output
    jobs.destroy(KUBECONFIG=deploy).expect()
    left = admin.list(Deployment, namespace=namespace)  # the provider does not wait until it is gone
    assert all(deployment.metadata.deletionTimestamp for deployment in left)
