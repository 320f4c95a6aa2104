"""The settings as a whole: the blocks of a stack file together with what the run says."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self

from pydantic import SecretStr, ValidationError, model_validator

from pulumi_slipway.settings import run as runs
from pulumi_slipway.settings.access import Access
from pulumi_slipway.settings.environment import Environment
from pulumi_slipway.settings.mistakes import NOT_SHOWN, Mistake, Mistakes, Path, SettingsError
from pulumi_slipway.settings.render import Renderer, write
from pulumi_slipway.settings.run import Run
from pulumi_slipway.settings.secrets import Encrypted
from pulumi_slipway.settings.shape import Shape
from pulumi_slipway.settings.types import Model, WorkloadName, amount
from pulumi_slipway.settings.workload import Workload

SUFFIXES = ("-canary", "-blue", "-green", "-preview", "-releases")
"""What the names of a workload's objects add to its own."""


class Stack(Model):
    """What a stack file configures under `slipway:`; which blocks are there decides what the stack builds."""

    access: Access | None = None
    """Identities, rights and secrets; an administrator's stack."""
    environment: Environment | None = None
    """The environment that the workloads go to."""
    workloads: dict[WorkloadName, Workload] | None = None
    """The applications, by name."""

    @model_validator(mode="after")
    def _blocks_go_together(self) -> Self:
        mistakes = Mistakes()
        if not self.model_fields_set:
            mistakes.add((), "has no block; give slipway:access, or slipway:environment and slipway:workloads")
        if self.workloads is not None and self.environment is None:
            mistakes.add(("environment",), "is missing; slipway:workloads needs it: {name: staging}")
        if self.environment is not None and self.workloads is None:
            mistakes.add(("workloads",), "is missing; slipway:environment needs it: {myapp: {}} for one, {} for none")
        self._within_quota(mistakes)
        self._names_apart(mistakes)
        self._prometheus_known(mistakes)
        self._dependencies(mistakes)
        self._promotes_from_another(mistakes)
        self._removed_are_gone(mistakes)
        self._renamed_are_gone(mistakes)
        mistakes.check()
        return self

    def _names_apart(self, mistakes: Mistakes) -> None:
        """A workload's objects are called by its name and a suffix; another workload must not be called so."""
        names = self.workloads or {}
        for name in names:
            for suffix in SUFFIXES:
                if name + suffix in names:
                    taken = f"is how an object of {name} is called; rename one of the two"
                    mistakes.add(("workloads", name + suffix), taken)

    def _renamed_are_gone(self, mistakes: Mistakes) -> None:
        """An old name is nobody's now, and became one new name."""
        workloads, seen = self.workloads or {}, set[str]()
        for name, workload in workloads.items():
            if workload.renamed_from in workloads or workload.renamed_from in seen:
                mistakes.add(
                    ("workloads", name, "renamedFrom"),
                    "must name what no workload is called now",
                    workload.renamed_from,
                )
            seen |= {workload.renamed_from} if workload.renamed_from else set()

    def _dependencies(self, mistakes: Mistakes) -> None:
        """Each names a workload that is there, and no circle is among them."""
        workloads = self.workloads or {}
        unknown = False
        for name, workload in workloads.items():
            for index, other in enumerate(workload.depends_on):
                if other not in workloads:
                    unknown = True
                    there = ", ".join(key for key in workloads if key != name) or "none"
                    mistakes.add(
                        ("workloads", name, "dependsOn", index), f"must name another workload; there are {there}", other
                    )
        if unknown:
            return
        try:
            TopologicalSorter({name: it.depends_on for name, it in workloads.items()}).prepare()
        except CycleError as error:
            circle = [*error.args[1]]
            mistakes.add(
                ("workloads", circle[0], "dependsOn"), f"goes in a circle: {' after '.join(circle)}; remove one of them"
            )

    def _promotes_from_another(self, mistakes: Mistakes) -> None:
        here = self.environment
        rule = here.promote_from if here else None
        if here and rule and not rule.kubeconfig and rule.namespace == here.namespace:
            mistakes.add(("environment", "promoteFrom"), "is this environment itself: nothing would ever come here")

    def _removed_are_gone(self, mistakes: Mistakes) -> None:
        for index, name in enumerate(self.environment.remove if self.environment else ()):
            if name in (self.workloads or {}):
                mistakes.add(
                    ("environment", "remove", index), "is in slipway:workloads too; take it out of one of them", name
                )

    def _prometheus_known(self, mistakes: Mistakes) -> None:
        if self.environment is None or self.environment.prometheus:
            return
        for name, workload in (self.workloads or {}).items():
            for check, settings in workload.release_checks.items():
                if settings.prometheus is None or settings.prometheus.address:
                    continue
                remedy = "set slipway:environment.prometheus to where the job reaches it"
                if check in workload.checks:
                    mistakes.add(("workloads", name, "checks", check, "prometheus"), f"has no address: {remedy}")
                else:
                    path = ("workloads", name, "strategy", "canary")
                    other = "or give the workload checks of its own, or the canary `checks: []` to go without"
                    mistakes.add(path, f"checks the error rate by Prometheus: {remedy}, {other}")

    def _within_quota(self, mistakes: Mistakes) -> None:
        """A pod above its namespace's whole quota never comes up. Known only where one stack has both layers."""
        if self.access is None or self.environment is None:
            return
        quotas = {e.namespace: e.quota for e in self.access.environments.values()}
        quota = quotas.get(self.environment.namespace)
        for name, workload in (self.workloads or {}).items():
            for what in ("cpu", "memory"):
                limit = getattr(workload.resources.limits, what)
                if quota and amount(limit) > amount(getattr(quota, what)):
                    mistakes.add(
                        ("workloads", name, "resources", "limits", what),
                        f"must not be above the namespace's quota ({getattr(quota, what)}); no pod would come up",
                        limit,
                    )


@dataclass(frozen=True)
class Settings:
    """All that a run goes by."""

    access: Access | None = None
    environment: Environment | None = None
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    run: Run = field(default_factory=Run)


def parse(
    blocks: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    file: str,
    text: str | None = None,
    sealed: Collection[str] = (),
    whole: bool = True,
) -> Settings:
    """The settings of these blocks; raises SettingsError with one line a mistake.

    `text` is that of the stack file and `sealed` the blocks with something encrypted in them: what is encrypted is not
    shown, and a secret that is not encrypted is refused. `whole`: the program has no other workloads.
    """
    raw = blocks.get("workloads")
    run, mistakes = runs.read(environ, raw if isinstance(raw, dict) else (), whole=whole)
    encrypted = Encrypted(blocks, sealed, text)
    try:
        stack = Stack.model_validate(dict(blocks), by_name=False)
    except ValidationError as error:
        shape = _shape()
        clear = [_in_the_clear(path) for path in encrypted.plain() if shape.is_secret(path)]
        renderer = Renderer(file, blocks, shape, encrypted)
        raise SettingsError("\n".join([*map(renderer.line, clear), *renderer.lines(error), *mistakes])) from None
    secrets = set(_secrets(stack.model_dump(by_alias=True), ()))
    clear = [_in_the_clear(path) for path in encrypted.plain() if path in secrets]
    clear += [_decrypted(path) for path in encrypted.opened(secrets) if path[0] in ("workloads", "environment")]
    if clear or mistakes:
        raise SettingsError("\n".join([*(f"{file}: {write(it.path)}: {it.remedy}" for it in clear), *mistakes]))
    return Settings(stack.access, stack.environment, stack.workloads or {}, run)


@cache
def _shape() -> Shape:
    """It takes 40 ms, so it is made only where something is wrong."""
    return Shape(Stack)


def _secrets(node: object, path: Path) -> Iterator[Path]:
    """The paths of the secrets in what was read."""
    if isinstance(node, SecretStr):
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _secrets(value, (*path, key))


def _decrypted(path: Path) -> Mistake:
    """Whatever is no secret here goes to an object as it is: env, args, annotations, a chart's values."""
    return Mistake(
        path,
        NOT_SHOWN,
        "is encrypted here and would be plain text in the cluster: give it to the pods by `secretEnv`, or set it anew "
        "without --secret",
    )


def _in_the_clear(path: Path) -> Mistake:
    command = f"pulumi config set --secret --path '{write(path)}'"
    return Mistake(path, NOT_SHOWN, f"is a secret in plain text; encrypt it: {command}")
