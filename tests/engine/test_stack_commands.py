"""What is done to a stack from outside of its program: another passphrase, resources moved away, objects kept."""

from lightkube.resources.apps_v1 import Deployment

from tests.engine.cluster_view import outcomes
from tests.engine.commands import urn
from tests.engine.harness import Project, app, stack
from tests.engine.test_examples import program_of
from tests.engine.test_verbs import objects


def test_a_lost_passphrase_stops_a_run_before_it_writes(project, namespace, images, admin):
    project.configure(stack(namespace, myapp=app())).up(SLIPWAY_IMAGE=images.v1).expect()
    before = objects(admin, namespace)
    file = project.environ.pop("PULUMI_CONFIG_PASSPHRASE_FILE")
    for run in (project.preview, project.up, project.destroy):
        refused = run(PULUMI_CONFIG_PASSPHRASE="another")
        assert refused.status != 0
        assert "incorrect passphrase" in refused.output, refused.output
    assert objects(admin, namespace) == before
    project.environ["PULUMI_CONFIG_PASSPHRASE_FILE"] = file
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]


def test_a_service_whose_state_was_moved_to_another_stack_is_taken_over_by_the_next_run(
    project, namespace, images, admin, load
):
    project.configure(stack(namespace, myapp=app())).up(SLIPWAY_IMAGE=images.v1).expect()
    before = objects(admin, namespace)
    project.pulumi("stack", "init", "other").expect()
    project.pulumi("stack", "select", "staging").expect()
    flags = ("--source", "staging", "--dest", "other", "--yes")  # the engine fails with --include-parents (3.276)
    with load("myapp") as run:
        project.pulumi("state", "move", *flags, urn(project, "service")).expect()
        project.up().expect()
        project.up(SLIPWAY_IMAGE=images.v2).expect()
    assert run.result.failed == 0, run.result.samples
    assert objects(admin, namespace) == before
    assert set(project.up().expect().changes) == {"same"}


RETAINED = """
import pulumi
from pulumi_slipway import Environment, EnvironmentArgs, Rolling, RollingArgs

config = pulumi.Config()
args = EnvironmentArgs(namespace=config.require("namespace"), image_pull_secret="gitlab-registry")
shop = Environment("shop", args)
web = RollingArgs(environment=shop, image=config.require("image"), replicas=1, probe={"path": "/healthz"})
Rolling("myapp", web, pulumi.ResourceOptions(retain_on_delete=True))
"""


def test_what_is_retained_stays_after_a_destroy_and_the_next_run_takes_it_up(
    sandbox, tmp_path, namespace, images, admin
):
    project = Project(tmp_path / "run", program=program_of(RETAINED, tmp_path / "program"))

    def of(image):
        config = {"namespace": namespace, "image": image}
        return project.configure({f"slipway-example-canary:{key}": value for key, value in config.items()})

    of(images.v1).up().expect()
    before = objects(admin, namespace)
    (uid,) = [it.metadata.uid for it in admin.list(Deployment, namespace=namespace)]
    project.destroy().expect()
    assert objects(admin, namespace) == before
    of(images.v2).up().expect()
    assert [it.metadata.uid for it in admin.list(Deployment, namespace=namespace)] == [uid]
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]
