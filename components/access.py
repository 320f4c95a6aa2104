"""The access stack: for each environment who may deploy to it, and what GitLab's jobs are given for that."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pulumi

from pulumi_slipway.access import rights, variables
from pulumi_slipway.access.generation import decide
from pulumi_slipway.access.kubeconfig import Context, kubeconfig
from pulumi_slipway.access.names import DEPLOY, PREVIEW
from pulumi_slipway.access.observe import Facts, observe
from pulumi_slipway.access.variables import Variable
from pulumi_slipway.components import program
from pulumi_slipway.components.args import Block
from pulumi_slipway.components.destroy_protection import DestroyProtection
from pulumi_slipway.components.identity import (
    ClusterBinding,
    ClusterBindingArgs,
    Identity,
    IdentityArgs,
    LedgerReader,
    LedgerReaderArgs,
)
from pulumi_slipway.components.inputs import Resolver
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.namespace import EnvironmentNamespace, NamespaceArgs
from pulumi_slipway.components.ownership import removed_namespaces
from pulumi_slipway.components.provider import kubernetes_provider
from pulumi_slipway.components.pull_secret import pull_secret
from pulumi_slipway.components.state import LastState
from pulumi_slipway.components.token import BoundToken, BoundTokenArgs
from pulumi_slipway.components.token_guard import TokenGuard, TokenGuardArgs
from pulumi_slipway.components.workload_guard import WorkloadGuard, WorkloadGuardArgs
from pulumi_slipway.settings import Access as Settings
from pulumi_slipway.settings import AccessEnvironment, parse
from pulumi_slipway.settings.load import refuse_another_cluster


@dataclass
class AccessArgs:
    """Who may deploy where."""

    settings: Settings | Block
    """By the settings of a stack file's `slipway:access`; values may be outputs."""
    facts: Facts | None = None
    """What the cluster and GitLab hold. Default: read now; raises UserError where something stands in the way."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """The moment that renewals are judged by."""


def _checked(name: str, given: Settings | Block) -> Settings:
    if isinstance(given, Settings):
        return given
    known = Resolver(f"access {name}")
    block = known.value(given, "settings", standing_in=False)
    found = parse({"access": block}, {}, file=known.where, sealed=("access",) if known.secret else ()).access
    assert found is not None  # noqa: S101  it was given
    return found


@dataclass
class _Built:
    """The tokens of one environment."""

    settings: AccessEnvironment
    deploy: pulumi.Output[str]
    preview: pulumi.Output[str] | None


class Access(pulumi.ComponentResource):
    """Namespaces, accounts, rights and tokens in the cluster; variables, protections and environments in GitLab.

    It is for an administrator's program: KUBECONFIG of an administrator, and with `gitlab` GITLAB_BASE_URL and
    GITLAB_TOKEN. Raises an error of one line where something stands in the way: nothing is written then.

    >>> environments = {"staging": {"quota": {"cpu": "4", "memory": "8Gi", "pods": 20}}, "production": {}}
    >>> access = Access("access", AccessArgs(settings={"environments": environments}))
    >>> pulumi.export("access", access.summary)
    """

    summary: dict[str, dict[str, str | list[str]]]
    """By environment, names only: namespace, accounts, variables."""

    @program.one_line()
    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Access", name, None, opts)
        program.begin()
        settings = _checked(name, args.settings)
        refuse_another_cluster()
        self._build(name, settings, args.facts or observe(settings), args.now)

    def _build(self, name: str, settings: Settings, facts: Facts, now: datetime) -> None:
        log = Log(self)
        for line in removed_namespaces(settings, LastState()):
            log.warn(line)
        provider = kubernetes_provider(f"{name}-kubernetes", pulumi.ResourceOptions(parent=self))
        self._name, self._settings, self._facts, self._now = name, settings, facts, now
        self._opts = pulumi.ResourceOptions(parent=self, providers=[provider])

        namespaces = {
            environment: EnvironmentNamespace(f"{name}-{environment}", NamespaceArgs(environment, its), self._opts)
            for environment, its in settings.environments.items()
        }
        bound: list[pulumi.Resource] = []
        if settings.scope == "cluster":
            log.warn(
                f"scope: cluster: {DEPLOY}'s token reads and writes workloads and secrets in every namespace, "
                "kube-system included, and can so become administrator; scope: namespace keeps it in its own"
            )
            wide = ClusterBindingArgs(
                DEPLOY, [namespace.name for namespace in namespaces.values()], rights.deploy(None)
            )
            bound.append(ClusterBinding(f"{name}-{DEPLOY}", wide, self._opts))
        if not facts.can_guard:
            log.warn(
                "this cluster has no admission policies (Kubernetes 1.30 and later have): the deploy account can mint "
                "itself a token that never expires, by a Secret of type kubernetes.io/service-account-token, and "
                "`allow` and `hosts` of the environments hold nobody back: a Service may take another's traffic"
            )
        built = {
            environment: self._environment(environment, its, namespaces[environment].name, bound)
            for environment, its in settings.environments.items()
        }
        if settings.gitlab and facts.project:
            from pulumi_slipway.components.gitlab import GitLabProject, GitLabProjectArgs  # noqa: PLC0415  0.35 s that others needn't wait

            for scope, members in variables.by_scope(settings).items():
                if len(members) > 1:
                    log.info(
                        f"GitLab scope {scope} serves {', '.join(name for name, _ in members)}: one context each in "
                        "KUBECONFIG_FILE; KUBE_TOKEN is left out, it could be one environment's only"
                    )
            values = [(variable, self._value(variable, built)) for variable in self._variables()]
            GitLabProject(f"{name}-gitlab", GitLabProjectArgs(settings, facts.project, values), self._opts)
        self.summary = {
            environment: {
                "namespace": its.namespace,
                "accounts": [DEPLOY, *([PREVIEW] if its.preview else [])],
                "variables": sorted(v.key for v in self._variables() if environment in v.environments),
            }
            for environment, its in settings.environments.items()
        }
        self.register_outputs({"summary": self.summary})
        DestroyProtection(name, [self], None, allowed=settings.allow_destroy)

    def _environment(
        self, environment: str, settings: AccessEnvironment, namespace: pulumi.Output[str], bound: list[pulumi.Resource]
    ) -> _Built:
        """The accounts of an environment with their rights and tokens, and its pull secret."""
        name = f"{self._name}-{environment}"

        def token(account: str, rules: Iterable[rights.Rule] | None) -> pulumi.Output[str]:
            identity = Identity(
                f"{name}-{account}",
                IdentityArgs(account, environment, namespace, None if rules is None else list(rules)),
                self._opts,
            )
            generation = decide(
                account,
                self._facts.tokens.get((environment, account), ()),
                self._now,
                self._settings.token.expiration,
                self._settings.token.renew_before,
            )
            token_args = BoundTokenArgs(identity.account, environment, namespace, generation, [identity, *bound])
            return BoundToken(f"{name}-{account}-token", token_args, self._opts).token

        if self._facts.can_guard:
            TokenGuard(f"{name}-guard", TokenGuardArgs(DEPLOY, environment, settings.namespace), self._opts)
            WorkloadGuard(f"{name}-workloads", WorkloadGuardArgs(environment, settings), self._opts)
        if self._settings.registry:
            pull_secret(f"{name}-registry", self._settings.registry, environment, namespace, self._opts)
        if settings.promote_from:
            source = self._settings.environments[settings.promote_from].namespace
            accounts = [DEPLOY, *([PREVIEW] if settings.preview else [])]
            reader = LedgerReaderArgs(
                environment, settings.namespace, settings.promote_from, source, accounts, settings.promote_workloads
            )
            LedgerReader(f"{name}-promotion", reader, self._opts)
        wide = self._settings.scope == "cluster"
        return _Built(
            settings,
            token(DEPLOY, None if wide else rights.deploy(settings.namespace, settings.kinds)),
            token(PREVIEW, rights.preview(settings.namespace, settings.kinds)) if settings.preview else None,
        )

    def _variables(self) -> list[Variable]:
        if not self._settings.gitlab:
            return []
        return list(variables.planned(self._settings, has_ca=self._facts.cluster.ca_pem is not None))

    def _value(self, variable: Variable, built: dict[str, _Built]) -> pulumi.Input[str]:
        """What a variable holds."""
        first = built[variable.environments[0]]
        cluster = self._facts.cluster
        match variable.key:
            case "KUBE_URL":
                return cluster.server
            case "KUBE_CA_PEM":
                return cluster.ca_pem or ""
            case "KUBE_TOKEN":
                return first.deploy
            case "KUBE_PREVIEW_TOKEN":
                assert first.preview is not None  # noqa: S101  planned only for environments that have one
                return first.preview
            case "KUBECONFIG_FILE" | "KUBECONFIG_PREVIEW_FILE":
                members = [(name, built[name]) for name in variable.environments]
                tokens = [b.deploy if variable.key == "KUBECONFIG_FILE" else b.preview for _, b in members]
                return pulumi.Output.all(*tokens).apply(
                    lambda found: kubeconfig(
                        cluster,
                        [Context(name, b.settings.namespace, t) for (name, b), t in zip(members, found, strict=True)],
                    )
                )
        return first.settings.variables[variable.key].get_secret_value()
