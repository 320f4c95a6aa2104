"""What the access stack gives for promotion, for a source's own kinds and for schedules; and releases with just that.

The environments' stacks run here as their jobs do: by the deploy accounts' kubeconfigs, not as an administrator.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from pulumi_slipway.core.model import Release
from pulumi_slipway.release import ledger
from tests.engine.access_stack import AccessStack, gitlab, kubernetes
from tests.engine.cluster_view import records
from tests.engine.harness import Project, app, stack
from tests.engine.test_shapes import STORE


@pytest.fixture(scope="module")
def access(tmp_path_factory, pull):
    """Staging with a further kind, production that promotes from it, and a schedule."""
    access = AccessStack(tmp_path_factory.mktemp("access"))
    access.configure(
        {
            "staging": {"branches": ["develop"], "kinds": ["statefulsets.apps"]},
            "production": {"branches": ["main"], "promoteFrom": "staging"},
            "live": {"branches": ["live"], "promoteFrom": "staging", "promoteWorkloads": ["myapp"]},
        },
        gitlab={"schedules": {"drift": "0 5 * * *"}},
    )
    access.up()
    for name in ("staging", "production", "live"):
        pull(access.namespace(name))
    yield access
    access.discard()


@pytest.fixture
def job(access, tmp_path):
    """`job(environment)`: its stack's project and what its job has in the environment."""

    def made(environment):
        directory = tmp_path / environment
        directory.mkdir()
        return Project(directory / "stack", environment), {"KUBECONFIG": access.kubeconfig(environment, directory)}

    return made


def settings(access, environment, **more):
    found = stack(access.namespace(environment), **{"myapp": app(replicas=1), **more.pop("workloads", {})})
    found["slipway:environment"] |= {"name": environment, **more}
    return found


@pytest.mark.parametrize("key", ["KUBE_TOKEN", "KUBE_PREVIEW_TOKEN"])
def test_who_promotes_reads_the_ledgers_of_where_it_promotes_from_and_nothing_else(access, key):
    base = f"/namespaces/{access.namespace('staging')}"
    with kubernetes(access.token("production", key)) as client:
        assert client.get(f"/api/v1{base}/configmaps").status_code == 200
        for path in ("/api/v1{}/secrets", "/api/v1{}/pods", "/apis/apps/v1{}/deployments"):
            assert client.get(path.format(base)).status_code == 403, path
        body = {"metadata": {"name": "written"}}
        assert client.post(f"/api/v1{base}/configmaps", json=body).status_code == 403
        assert client.delete(f"/api/v1{base}/configmaps/myapp-releases").status_code == 403
    with kubernetes(access.token("staging", key)) as client:  # not the other way round
        assert client.get(f"/api/v1/namespaces/{access.namespace('production')}/configmaps").status_code == 403


@pytest.mark.parametrize("key", ["KUBE_TOKEN", "KUBE_PREVIEW_TOKEN"])
def test_where_the_workloads_are_named_no_other_configmap_is_read(access, admin, key):
    namespace = access.namespace("staging")
    for name in ("myapp-releases", "of-the-app"):
        admin.apply(ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace)), field_manager="test")
    with kubernetes(access.token("live", key)) as client:
        books = f"/api/v1/namespaces/{namespace}/configmaps"
        assert client.get(f"{books}/myapp-releases").status_code == 200
        assert client.get(f"{books}/slipway-preview-staging").status_code == 404
        for path in ("", "/of-the-app", "/other-releases"):
            assert client.get(books + path).status_code == 403, path
        tracks = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        assert client.get(f"{tracks}/myapp-canary").status_code == 404
        for path in ("", "/other"):
            assert client.get(tracks + path).status_code == 403, path
    for name in ("myapp-releases", "of-the-app"):
        admin.delete(ConfigMap, name, namespace=namespace)


def test_a_record_that_was_put_into_stagings_ledger_is_not_promoted(access, job, images, admin):
    staging, of_staging = job("staging")
    staging.configure(settings(access, "staging")).up(SLIPWAY_IMAGE=images.v1, **of_staging).expect()
    source = access.namespace("staging")
    last = records(admin, source)[-1]
    evil = Release(last.release.template.replace(images.digest("v1"), images.digest("v3")))
    forged = ledger.encode((replace(last, sequence=last.sequence + 1, release=evil),))
    admin.patch(ConfigMap, "myapp-releases", {"data": forged}, namespace=source, patch_type=PatchType.MERGE)
    assert records(admin, source)[-1].release.image == images.digest("v3")
    live, of_live = job("live")
    rule = {"environment": "staging", "namespace": source, "verifiedFor": "0s"}
    live.configure(settings(access, "live", promoteFrom=rule))
    live.up(**of_live).expect()
    assert records(admin, access.namespace("live"))[-1].release.image == images.digest("v1")
    live.up(SLIPWAY_IMAGE=images.v3, **of_live).expect(1)


def test_a_further_kind_is_allowed_where_it_was_asked_for(access):
    for environment, status in (("staging", 200), ("production", 403)):
        with kubernetes(access.token(environment)) as client:
            path = f"/apis/apps/v1/namespaces/{access.namespace(environment)}/statefulsets"
            assert client.get(path).status_code == status, environment


def test_gitlab_has_the_schedule_with_its_task(access):
    path = f"projects/{access.project['id']}/pipeline_schedules"
    [schedule] = gitlab("GET", path).json()
    found = gitlab("GET", f"{path}/{schedule['id']}").json()
    assert (found["cron"], found["ref"], found["active"]) == ("0 5 * * *", "refs/heads/main", True)
    assert [(it["key"], it["value"]) for it in found["variables"]] == [("SLIPWAY_SCHEDULE", "drift")]


def test_a_source_with_that_kind_is_deployed_by_the_job_and_refused_where_it_lacks_the_right(access, job, images):
    workloads = {"web": {"source": {"manifests": ["web.yaml", "store.yaml"]}, "replicas": 1}}
    example = Path("examples/sources/manifests/web.yaml").read_text()
    for environment, status in (("staging", 0), ("production", 1)):
        project, environ = job(environment)
        (project.directory / "web.yaml").write_text(example)
        (project.directory / "store.yaml").write_text(STORE)
        found = settings(access, environment, workloads=workloads)
        found["slipway:workloads"].pop("myapp")
        done = project.configure(found).up(SLIPWAY_IMAGE=images.v1, **environ).expect(status)
        if status:
            assert "statefulsets.apps" in done.output
            assert "Traceback" not in done.output


@pytest.mark.parametrize("cluster", ["the same cluster, by the job's own identity", "another, by a kubeconfig"])
def test_production_promotes_with_the_rights_of_its_job(access, job, images, admin, tmp_path, cluster):
    staging, of_staging = job("staging")
    staging.configure(settings(access, "staging")).up(SLIPWAY_IMAGE=images.v2, **of_staging).expect()
    production, of_production = job("production")
    rule = {"environment": "staging", "namespace": access.namespace("staging"), "verifiedFor": "0s"}
    if "another" in cluster:
        read_only = access.kubeconfig("staging", tmp_path, "KUBECONFIG_PREVIEW_FILE")
        rule["kubeconfig"] = "STAGING_KUBECONFIG"
        of_production["STAGING_KUBECONFIG"] = read_only
    production.configure(settings(access, "production", promoteFrom=rule))
    production.up(SLIPWAY_IMAGE=images.v3, **of_production).expect(1)
    production.up(**of_production).expect()
    assert records(admin, access.namespace("production"))[-1].release.image == images.digest("v2")
    if "another" in cluster:
        lost = production.up(**{**of_production, "STAGING_KUBECONFIG": os.devnull}).expect(1)
        assert "STAGING_KUBECONFIG" in lost.output
        assert "Traceback" not in lost.output
