"""Random walks over a stack: Pulumi's commands, releases, kills and hand edits, one after the other.

A walk knows what users may be on after each step, and no more: how a release comes there is the strategy's affair.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service
from lightkube.types import PatchType

from tests.engine.cluster_view import records
from tests.engine.commands import WORKLOAD, saved_plan
from tests.engine.conftest import Images
from tests.engine.harness import Outcome, Project, Running
from tests.engine.strategies import served

GOOD = ("v1", "v2", "v3")
BAD = {"blueGreen": "bad", "rolling": "crash", "canary": "crash"}
"""What fails without a user's seeing it: a rolling release and a canary are checked while users are on them."""
NEVER = ("Traceback", "Duplicate resource URN", "panic:", "rpc error", "Unhandled exception")
"""No run ends with such words, whatever was done before it."""
SECONDS = 20.0
"""A kill or a cancel comes within this time; a release takes about half of it."""


@dataclass
class Walk:
    """One stack, and what its users may be on."""

    project: Project
    admin: Client
    namespace: str
    images: Images
    strategy: str
    chance: random.Random
    live: set[str] = field(default_factory=set)
    """Images, by digest."""

    def ran(self, outcome: Outcome) -> Outcome:
        """Itself, once it is seen that it ended in words of ours."""
        for word in NEVER:
            assert word not in outcome.output, outcome.output
        return outcome

    def image(self, names: Sequence[str] = GOOD) -> dict[str, str]:
        """The variable of a run that releases one of these; users may be on it from here."""
        name = self.chance.choice(names)
        if name in GOOD:
            self.live.add(self.images.digest(name))
        return {"SLIPWAY_IMAGE": getattr(self.images, name)}

    def resource(self) -> str:
        """The URN of one of the workload's objects."""
        found = [it["urn"] for it in self.project.resources() if it["type"].startswith("kubernetes:") and it.get("id")]
        return str(self.chance.choice(found))

    def started(self) -> Running:
        """A release that goes on."""
        return self.project.up_async(**self.image())

    def known(self) -> set[str]:
        """The images that were Healthy before: a rollback goes to one of them."""
        return {it.release.image for it in records(self.admin, self.namespace) if it.outcome == "Healthy"}


def new_image(walk: Walk) -> None:
    """A release."""
    walk.ran(walk.project.up(**walk.image()))


def failing_image(walk: Walk) -> None:
    """A release that fails."""
    walk.ran(walk.project.up(**walk.image([BAD[walk.strategy]])))


def refreshed_release(walk: Walk) -> None:
    """A release with a refresh before it."""
    walk.ran(walk.project.up("--refresh", **walk.image()))


def going_on(walk: Walk) -> None:
    """As our own jobs run it, and one that may fail."""
    walk.ran(walk.project.up("--continue-on-error", **walk.image([*GOOD, BAD[walk.strategy]])))


def planned(walk: Walk) -> None:
    """A saved plan, carried out."""
    image = walk.image()
    walk.ran(walk.project.preview("--save-plan", "plan.json", **image)).expect()
    walk.ran(walk.project.up("--plan", "plan.json", **image)).expect()


def plan_without_image(walk: Walk) -> None:
    """A saved plan of a run that releases nothing."""
    walk.ran(saved_plan(walk.project)).expect()


def refresh(walk: Walk) -> None:
    """What the cluster has, into the state."""
    walk.ran(walk.project.refresh(*walk.chance.choice([(), ("--run-program",)]))).expect()


def taint(walk: Walk) -> None:
    """A mark for replacement, and what the refusal says."""
    urn = walk.resource()
    walk.project.pulumi("state", "taint", urn, "--yes", "--stack", walk.project.stack).expect()
    walk.ran(walk.project.up(**walk.chance.choice([{}, walk.image()])))
    walk.project.pulumi("state", "untaint", urn, "--yes", "--stack", walk.project.stack).expect()


def rename(walk: Walk) -> None:
    """Another name in the state."""
    to = f"moved-{walk.chance.randrange(10**6)}"
    walk.project.pulumi("state", "rename", walk.resource(), to, "--yes", "--stack", walk.project.stack).expect()


def forget(walk: Walk) -> None:
    """One resource out of the state, with what depends on it."""
    flags = ("--target-dependents", "--yes", "--stack", walk.project.stack)
    walk.project.pulumi("state", "delete", walk.resource(), *flags).expect()


def some_objects(walk: Walk) -> None:
    """One object only, or all but one, with or without a release."""
    flag = walk.chance.choice(["--target", "--exclude", "--target-replace", "--replace"])
    more = walk.chance.choice([(), ("--target-dependents",)]) if flag == "--target" else ()
    walk.ran(walk.project.up(flag, walk.resource(), *more, **walk.chance.choice([{}, walk.image()])))


def idle_cancel(walk: Walk) -> None:
    """A cancel where nothing runs."""
    walk.ran(walk.project.cancel())


def cancelled(walk: Walk) -> None:
    """A cancel in the middle of a release: the run says that it did not get there."""
    run = walk.started()
    time.sleep(walk.chance.uniform(0, SECONDS / 2))
    done = run.ended
    walk.ran(walk.project.cancel())
    ended = run.wait()
    last = records(walk.admin, walk.namespace)[-1]
    assert done or ended.status != 0 or last.outcome != "Degraded", ended.output


def killed(walk: Walk) -> None:
    """`kill -9` somewhere in a release, of everything or of the engine alone."""
    run = walk.started()
    time.sleep(walk.chance.uniform(0, SECONDS))
    run.kill(engine_only=walk.chance.random() < 0.5)
    walk.project.cancel()


def action(walk: Walk) -> None:
    """What a person says of a release."""
    word = walk.chance.choice(["settle", "promote", "abort", "rollback", "reject"])
    if word == "rollback":
        walk.live |= walk.known()
    walk.ran(walk.project.up(SLIPWAY_ACTION=word))


def scaled_by_hand(walk: Walk) -> None:
    """`kubectl scale`."""
    edit(walk, Deployment, serving(walk), {"spec": {"replicas": walk.chance.choice([1, 3, 5])}})


def image_by_hand(walk: Walk) -> None:
    """`kubectl set image` of the Deployment that serves; the next run takes it back."""
    image = walk.images.digest(walk.chance.choice(GOOD))
    body = {"spec": {"template": {"spec": {"containers": [{"name": WORKLOAD, "image": image}]}}}}
    walk.admin.patch(
        Deployment, serving(walk), body, namespace=walk.namespace, patch_type=PatchType.STRATEGIC, field_manager="hand"
    )


def label_by_hand(walk: Walk) -> None:
    """A label and an annotation that nobody asked for."""
    more = {"labels": {"by": "hand"}, "annotations": {"example.com/by": "hand"}}
    edit(walk, walk.chance.choice([Service, Deployment]), WORKLOAD, {"metadata": more})


def pod_by_hand(walk: Walk) -> None:
    """`kubectl delete pod` of one."""
    pods = [*walk.admin.list(Pod, namespace=walk.namespace, labels={"app.kubernetes.io/instance": WORKLOAD})]
    there = [it.metadata.name for it in pods if not it.metadata.deletionTimestamp]
    if there:
        walk.admin.delete(Pod, walk.chance.choice(sorted(there)), namespace=walk.namespace)


def service_by_hand(walk: Walk) -> None:
    """`kubectl delete service`: users wait for the next run."""
    walk.admin.delete(Service, WORKLOAD, namespace=walk.namespace)


def serving(walk: Walk) -> str:
    """Name of the Deployment that users are on."""
    for it in walk.admin.list(Deployment, namespace=walk.namespace):
        images = [one.image for one in it.spec.template.spec.containers]
        if served(walk.admin, walk.namespace)[0] in images and it.spec.replicas:
            return str(it.metadata.name)
    return WORKLOAD


def edit(walk: Walk, kind: type, name: str, body: Mapping[str, object]) -> None:
    """A merge patch by a person."""
    walk.admin.patch(kind, name, body, namespace=walk.namespace, patch_type=PatchType.MERGE, field_manager="hand")


Step = Callable[[Walk], None]
STEPS: Sequence[Step] = (
    *(new_image, failing_image, refreshed_release, going_on, planned, plan_without_image, refresh, taint, rename),
    *(forget, some_objects, some_objects, idle_cancel, cancelled, killed, killed, action, action, scaled_by_hand),
    *(image_by_hand, label_by_hand, pod_by_hand, service_by_hand),
)
LOSES: Sequence[Step] = (service_by_hand, pod_by_hand, image_by_hand, scaled_by_hand)
"""Steps of a person's that take pods or the Service away themselves."""


def drawn(chance: random.Random, steps: int) -> list[Step]:
    """The steps of a walk."""
    return [chance.choice(STEPS) for _ in range(steps)]
