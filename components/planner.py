"""What an environment's workloads need to be planned: the cluster is asked, and nothing is declared yet."""

import os
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pulumi
from lightkube import Client

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.cluster.kinds import Kinds
from pulumi_slipway.cluster.retry import briefly
from pulumi_slipway.components.before_write import BeforeWrite
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.ownership import kept, of_other_stacks, refuse_to_adopt, removed, unknown
from pulumi_slipway.components.prune import Left, contents, leftovers
from pulumi_slipway.components.source import definition
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.goal import NothingToDo
from pulumi_slipway.preflight.environment import (
    kinds_brought,
    needed_rights,
    policy_warnings,
    refuse_own_names,
    refuse_shared_objects,
    refuse_shared_pods,
)
from pulumi_slipway.preflight.immutable import refuse_immutable
from pulumi_slipway.preflight.ledgers import Ledgers, ledgers_before
from pulumi_slipway.preflight.windows import NoReleaseNow, closed, refuse_releases
from pulumi_slipway.release import adopt
from pulumi_slipway.release.admitted import Admission, Explains, unexplained
from pulumi_slipway.release.image import ImageUnresolved
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import Snapshot, deployed, leaving, snapshot
from pulumi_slipway.release.prepare import Prepared, prepare
from pulumi_slipway.settings import Action, Run
from pulumi_slipway.settings import Environment as EnvironmentSettings
from pulumi_slipway.settings import Workload as WorkloadSettings
from pulumi_slipway.source.rendered import SourceError

LEAVING_SECONDS = 120
"""Longer than most pods take to stop."""


@dataclass(frozen=True)
class Planned:
    """A workload that is planned: all that its resources are made of."""

    prepared: Prepared
    client: Client
    before_write: BeforeWrite
    after: Sequence[pulumi.Resource] = ()
    """What must be done before anything of it is touched: the releases of the workloads that it depends on."""
    dependents: Sequence[str] = ()
    """The workloads that depend on it, by way of others too."""
    leftovers: Sequence[Left] = ()
    """What a killed run has left of it."""
    provider: pulumi.ProviderResource | None = None
    explains: Explains = unexplained


@dataclass
class Planner:
    """Plans the workloads of one namespace.

    Raises UserError where the cluster, a right, an image or a value is missing: nothing is written then.
    """

    settings: EnvironmentSettings
    client: Client
    provider: pulumi.ProviderResource
    log: Log
    before_write: BeforeWrite

    def plan(self, workloads: Mapping[str, WorkloadSettings], run: Run, *, whole: bool) -> dict[str, Planned]:
        """Each workload's plan. `whole`: these are all that the namespace is to have of this stack."""
        settings, preview, kinds = self.settings, pulumi.runtime.is_dry_run(), Kinds(self.client)
        admission = Admission(kinds, self.before_write.state.written)
        subjects = self._subjects(workloads)
        self.before_write.workloads.claim(cluster.server_of(self.client), settings.namespace, subjects, settings.name)
        refuse_shared_objects(subjects.values())
        refuse_shared_pods(subjects.values())
        refuse_own_names([*subjects.values()])
        exists = self._namespace(kinds, subjects, preview=preview)
        with cluster.as_preflight_error(self.client):
            found = self._settled() if exists else None
            there = deployed(found or {}, settings.name)
            others = of_other_stacks(there, found or {})
            refuse_to_adopt(subjects, others, settings, run)
            if whole:
                renamed = {str(it.workload.renamed_from) for it in subjects.values()}
                gone = there - set(subjects) - set(others) - renamed
                for line in removed(gone, settings, self.before_write.state):
                    self.log.warn(line)
            held = briefly(lambda: contents(self.client, found, settings)) if found else []
            offered = ledgers_before(self.client, settings, [*subjects])
            prepared = self._prepared(admission, subjects, run, found, offered, preview=preview)
            for line in (line for it in prepared.values() for line in adopt.changes(it)):
                self.log.info(line)
            refuse_immutable(prepared.values(), admission.explains)
            self._refuse_at_this_time(prepared, run, preview=preview)
            for line in unknown(prepared.values(), self.before_write.state) if preview else ():
                self.log.warn(line)
            if whole:
                for line in kept(prepared.values(), settings, self.before_write.state):
                    self.log.warn(line)
            for it in prepared.values():
                for (kind, _), live in it.world.objects.items():
                    self.before_write.state.aliases(kind, live["metadata"])  # told before anything is declared
            for warning in policy_warnings(self.client, settings, prepared.values(), exists=exists):
                self.log.warn(warning)
        return {
            key: Planned(
                it,
                self.client,
                self.before_write,
                leftovers=leftovers(it, held, self.before_write.state),
                provider=self.provider,
                explains=admission.explains,
            )
            for key, it in prepared.items()
        }

    def _refuse_at_this_time(self, prepared: Mapping[str, Prepared], run: Run, *, preview: bool) -> None:
        why = closed(self.settings, datetime.now(UTC), os.environ)
        try:
            told = refuse_releases(prepared, run.only or prepared, run.action, run.override, why)
        except NoReleaseNow as error:
            if not preview:
                raise NoReleaseNow(f"environment {self.settings.name} {error}") from None
            told = str(error)
        if told:
            self.log.warn(f"environment {self.settings.name} {told}")

    def _subjects(self, workloads: Mapping[str, WorkloadSettings]) -> dict[str, Subject]:
        """The workloads with what their sources define; raises UserError with what is wrong in any of them."""
        subjects: dict[str, Subject] = {}
        mistakes: list[str] = []
        for key, workload in workloads.items():
            try:
                source = definition(key, workload, self.settings.namespace, self.provider)
            except SourceError as error:
                mistakes.append(str(error))
            else:
                subjects[key] = Subject.of(key, self.settings, workload, source)
        if mistakes:
            raise UserError("\n".join(mistakes))
        return subjects

    def _namespace(self, kinds: Kinds, subjects: Mapping[str, Subject], *, preview: bool) -> bool:
        """Whether it exists; a run needs it, a preview can do without."""
        namespace = self.settings.namespace
        with cluster.as_preflight_error(self.client):
            brought = briefly(lambda: kinds_brought(kinds, subjects.values()))
        needed = needed_rights(subjects.values(), preview=preview, brought=brought)
        if cluster.check(self.client, namespace, needed):
            return True
        if not preview:
            raise cluster.PreflightError(
                f"namespace {namespace} does not exist: run `pulumi up` on the access stack, which makes it"
            )
        self.log.warn(f"namespace {namespace} does not exist yet: this preview shows everything as new")
        return False

    def _settled(self) -> Snapshot:
        """What is in the namespace, once nothing of ours is on its way out: what is made beside it would go, too."""
        until, told = time.monotonic() + LEAVING_SECONDS, False
        while True:
            found = briefly(lambda: snapshot(self.client, self.settings.namespace))
            left = leaving(found, self.settings.name)
            if not left:
                return found
            if pulumi.runtime.is_dry_run():
                return {
                    kind: {name: it for name, it in every.items() if f"{kind} {name}" not in left}
                    for kind, every in found.items()
                }
            if time.monotonic() > until:
                raise UserError(
                    f"{', '.join(left)}: being deleted, still after {LEAVING_SECONDS} s: run again when it is gone"
                )
            if not told:
                self.log.info(f"{', '.join(left)}: being deleted, and waited for")
            told = True
            time.sleep(0.5)

    def _prepared(
        self,
        admission: Admission,
        subjects: Mapping[str, Subject],
        run: Run,
        found: Snapshot | None,
        offered: Ledgers | None,
        *,
        preview: bool,
    ) -> dict[str, Prepared]:
        """Every workload with its plan. Where an action is for some of them only, the others are held as they are.

        One that was never deployed is left out of a run that deploys nothing.
        """
        prepared: dict[str, Prepared] = {}
        idle: dict[str, NothingToDo] = {}
        log = self.log

        def one(key: str, run: Run) -> Prepared:
            return prepare(
                self.client,
                subjects[key],
                run,
                found,
                preview=preview,
                warn=log.warn,
                offered=None if offered is None else offered(key),
                tell=log.info,
                kinds=admission.kinds,
                explains=admission.explains,
            )

        held, asked = replace(run, action=Action.SETTLE), run.only or set(subjects)
        mistakes: list[UserError] = []
        for key in subjects:
            try:
                prepared[key] = one(key, run if key in asked else held)
            except NothingToDo as error:
                if key in asked:
                    idle[key] = error
                else:
                    log.info(f"{key}: not deployed yet, and this run is for others")
            except ImageUnresolved:  # a registry that does not answer is waited for once, not for each workload
                raise
            except UserError as error:
                mistakes.append(error)
        if run.only and run.action is Action.DEPLOY:
            mistakes += _not_ready(asked, subjects, prepared)
        if not mistakes and set(idle) >= asked and run.action is not Action.SETTLE:
            mistakes = [*idle.values()]
        if mistakes:
            raise UserError("\n".join(map(str, mistakes)))
        for key, why in idle.items():
            log.info(str(why))
            with suppress(NothingToDo):
                prepared[key] = one(key, held)
        return prepared


def _not_ready(
    asked: Collection[str], subjects: Mapping[str, Subject], prepared: Mapping[str, Prepared]
) -> list[UserError]:
    """What the workloads of this run depend on, is left out of it, and never was Healthy."""
    return [
        UserError(
            f"workload {key} depends on {other}, which has no Healthy release, and this run leaves it as it is: name "
            "it in SLIPWAY_WORKLOADS too"
        )
        for key in subjects
        for other in subjects[key].workload.depends_on
        if key in asked and other not in asked
        if other not in prepared or prepared[other].world.observed.committed is None
    ]
