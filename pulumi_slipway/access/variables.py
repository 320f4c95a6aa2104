"""The CI/CD variables that GitLab gets: which, of what kind, for which environment scope, and who may read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pulumi_slipway.settings import Access, AccessEnvironment


@dataclass(frozen=True)
class Variable:
    """A project variable without its value."""

    key: str
    scope: str
    environments: tuple[str, ...]
    """The environments of the settings that it serves; more than one where they share the scope."""
    masked: bool
    protected: bool
    file: bool = False


def by_scope(access: Access) -> Mapping[str, Sequence[tuple[str, AccessEnvironment]]]:
    """The environments by the GitLab scope that they have in common, in the order of the settings."""
    scopes: dict[str, list[tuple[str, AccessEnvironment]]] = {}
    for name, environment in access.environments.items():
        scopes.setdefault(environment.scope, []).append((name, environment))
    return scopes


def planned(access: Access, has_ca: bool) -> Iterable[Variable]:
    """Every variable of the access stack.

    What gives write access or tells where the cluster is, is protected: only jobs on protected branches and tags see
    it, but for environments that every branch deploys to (`protected: false`, review). The read-only pair isn't
    protected, so that merge requests can preview; it holds address and CA itself.
    """
    for scope, members in by_scope(access).items():
        names = tuple(name for name, _ in members)
        protected = all(environment.protected for _, environment in members)
        yield Variable("KUBE_URL", scope, names, masked=False, protected=protected)
        if has_ca:  # more than one line: GitLab can't mask it, and it is no secret
            yield Variable("KUBE_CA_PEM", scope, names, masked=False, protected=protected)
        yield Variable("KUBECONFIG_FILE", scope, names, masked=True, protected=protected, file=True)
        previewed = tuple(name for name, environment in members if environment.preview)
        if previewed:
            yield Variable("KUBECONFIG_PREVIEW_FILE", scope, previewed, masked=True, protected=False, file=True)
        if len(members) == 1:  # one token can't stand for several environments; their contexts are in the file
            yield Variable("KUBE_TOKEN", scope, names, masked=True, protected=protected)
            if previewed:
                yield Variable("KUBE_PREVIEW_TOKEN", scope, previewed, masked=True, protected=False)
        for name, environment in members:
            for key in environment.variables:
                yield Variable(key, scope, (name,), masked=True, protected=environment.protected)
