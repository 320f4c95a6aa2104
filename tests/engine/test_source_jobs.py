"""Jobs of a source: done once for each image, before its release; told why they fail; never done on the way back."""

import pytest
from lightkube.core.exceptions import ApiError
from lightkube.resources.batch_v1 import Job

from tests.engine.cluster_view import outcomes
from tests.engine.strategies import some
from tests.engine.test_ports import source, web  # noqa: F401  a fixture
from tests.engine.test_source_images import CHART, write

MIGRATE = """---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: migrate
        image: IMAGE_PLACEHOLDER
        env: [{name: MIGRATE, value: "true"}]
        resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 200m, memory: 64Mi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""


def job(admin, namespace):
    return admin.get(Job, "migrate", namespace=namespace)


def image_of(found):
    return found.spec.template.spec.containers[0].image


@pytest.mark.parametrize("strategy", some("blueGreen"))
def test_a_job_is_done_once_for_each_image_and_never_on_the_way_back(strategy, web, namespace, images, admin):  # noqa: F811
    project = web(source() + MIGRATE, strategy)
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    first = job(admin, namespace)
    assert first.spec.template.spec.imagePullSecrets[0].name == "gitlab-registry"
    assert set(project.up().expect().changes) == {"same"}
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    second = job(admin, namespace)
    assert (image_of(first), image_of(second)) == (images.digest("v1"), images.digest("v2"))
    project.up(SLIPWAY_ACTION="rollback").expect()
    for _ in range(2):
        assert set(project.up().expect().changes) == {"same"}
    assert job(admin, namespace).metadata.uid == second.metadata.uid
    admin.delete(Job, "migrate", namespace=namespace)  # as its ttlSecondsAfterFinished does
    assert set(project.up().expect().changes) == {"same"}
    with pytest.raises(ApiError):
        job(admin, namespace)
    project.up(SLIPWAY_IMAGE=images.v2).expect()  # forwards again: its image has run
    with pytest.raises(ApiError):
        job(admin, namespace)
    assert outcomes(admin, namespace, "web")[-1] == "Healthy"


def test_a_failed_job_says_its_last_lines_stops_the_release_and_is_done_again(web, namespace, images, admin):  # noqa: F811
    failing = MIGRATE.replace("MIGRATE, value", "CRASH, value")
    web(source() + MIGRATE).up(SLIPWAY_IMAGE=images.v1).expect()
    project = web(source() + failing)
    failed = project.up(SLIPWAY_IMAGE=images.v2).expect(1)
    assert "Job migrate: pod migrate-" in failed.output
    assert "exits with" in failed.output
    assert "last lines: " in failed.output
    assert outcomes(admin, namespace, "web") == ["Healthy"]
    first = job(admin, namespace)
    project.up(SLIPWAY_IMAGE=images.v2).expect(1)
    assert job(admin, namespace).metadata.uid != first.metadata.uid
    web(source() + MIGRATE).up(SLIPWAY_IMAGE=images.v2).expect()
    assert outcomes(admin, namespace, "web") == ["Healthy", "Healthy"]


def test_a_job_that_hangs_says_why_and_a_lost_state_is_not_in_its_way(web, namespace, images, admin):  # noqa: F811
    stuck = MIGRATE.replace("  template:", "  activeDeadlineSeconds: 12\n  template:", 1).replace(
        "      containers:", "      nodeSelector: {disk: ssd}\n      containers:"
    )
    project = web(source() + stuck)
    hung = project.up(SLIPWAY_IMAGE=images.v1).expect(1)
    assert "Job migrate: pod migrate-" in hung.output
    assert "unschedulable" in hung.output
    web(source() + MIGRATE).up(SLIPWAY_IMAGE=images.v1).expect()
    project.pulumi("stack", "rm", "--force", "--yes", "--preserve-config", project.stack).expect()
    project.pulumi("stack", "init", project.stack).expect()
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    assert image_of(job(admin, namespace)) == images.digest("v2")


def test_a_charts_hooks_before_an_upgrade_are_done_by_their_weights(project, namespace, images, admin):
    hooked = MIGRATE.replace("metadata: {name: migrate}", META)
    image = '"{{ .Values.image.repository }}:{{ .Values.image.tag }}"'
    text = source() + hooked % ("second", "2") + hooked % ("first", "1")
    files = {
        "chart/Chart.yaml": CHART,
        "chart/values.yaml": "image: {repository: acme/web, tag: '1.0'}\n",
        "chart/templates/web.yaml": text.replace("IMAGE_PLACEHOLDER", image),
    }
    write(project, namespace, files, {"source": {"helm": {"chart": "chart", "hooks": "run"}}})
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    first, second = (admin.get(Job, name, namespace=namespace) for name in ("first", "second"))
    assert first.status.completionTime <= second.metadata.creationTimestamp
    assert image_of(second) == images.digest("v1")
    assert set(project.up().expect().changes) == {"same"}


META = "metadata: {name: %s, annotations: {helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-weight: '%s'}}"
