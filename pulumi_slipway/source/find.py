"""Which of a source's objects are the workload's own: its Deployment, its Services, the container of its image."""

from collections.abc import Iterable, Mapping, Sequence

from pulumi_slipway.core.keys import PREFIX
from pulumi_slipway.source.ports import target
from pulumi_slipway.source.rendered import ARTICLES, Rendered, SourceError, marked


def found(prefix: str, kind: str, workload: str, named: str | None, rendered: Iterable[Rendered]) -> Rendered:
    """The one named in the settings, else called as the workload, else the only one; else the candidates are listed."""
    there = {one.name: one for one in rendered if one.kind == kind and (kind != "Service" or _is_service(one))}
    key = kind.lower()
    if named is not None and named not in there:
        raise SourceError(f"{prefix}{key} {named} is not among the objects; there are: {', '.join(there) or 'none'}")
    if named or workload in there:
        return there[named or workload]
    if len(there) == 1:
        return next(iter(there.values()))
    if not there:
        raise SourceError(
            f"{prefix}there is no {kind} among the objects: a workload is a Deployment behind a Service"
            + (", or says `worker: true` where nobody calls it" if kind == "Service" else "")
        )
    raise SourceError(
        f"{prefix}there are {len(there)} {kind}s, none called {workload}: name the workload's with `{key}`: "
        + ", ".join(there)
    )


def service(
    prefix: str, workload: str, named: str | None, rendered: Sequence[Rendered], deployment: Rendered
) -> Rendered:
    """The Service; a headless one beside it is not meant."""
    labels = deployment.manifest["spec"]["template"]["metadata"]["labels"]
    fitting = [
        one
        for one in rendered
        if not _is_service(one)
        or (
            (one.manifest.get("spec") or {}).get("clusterIP") != "None"
            and ((one.manifest.get("spec") or {}).get("selector") or {"": ""}).items() <= labels.items()
        )
        or one.name == named
    ]
    one = found(prefix, "Service", workload, named, fitting)
    spec = one.manifest.get("spec") or {}
    if not spec.get("ports"):
        raise SourceError(f"{prefix}{one.title} has no ports")
    if not (spec.get("selector") or {}) or not spec["selector"].items() <= labels.items():
        raise SourceError(f"{prefix}{one.title} does not select the pods of {deployment.title}")
    return one


def services_beside(rendered: Iterable[Rendered], deployment: Rendered, own: Rendered) -> list[Rendered]:
    """The other Services of the same pods, and of no others: they follow the release as the workload's own does."""
    labels = _labels(deployment)
    strangers = [_labels(it) for it in rendered if it is not deployment and it.kind not in ("Job", "CronJob")]
    found = []
    for one in rendered:
        spec = one.manifest.get("spec") if _is_service(one) and one is not own else None
        selector = (spec or {}).get("selector") or {}
        finds = [it for it in strangers if it and selector.items() <= it.items()]
        tracked = any(str(key).startswith(PREFIX) for key in selector)
        if selector and selector.items() <= labels.items() and not finds and not tracked and (spec or {}).get("ports"):
            found.append(one)
    return found


def _is_service(one: Rendered) -> bool:
    """Others have a kind of that name, too: Knative's is no Service of Kubernetes'."""
    return one.kind == "Service" and one.manifest.get("apiVersion") == "v1"


def _labels(one: Rendered) -> Mapping[str, str]:
    """The labels of the pods that an object makes."""
    spec = one.manifest.get("spec")
    template = spec.get("template") if isinstance(spec, Mapping) else None
    metadata = template.get("metadata") if isinstance(template, Mapping) else None
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return labels if isinstance(labels, Mapping) else {}


def container(prefix: str, workload: str, named: str | None, deployment: Rendered, service: Rendered) -> str:
    """The container that gets the image: the one named, else one with its placeholder, else the one there is."""
    there = {str(it["name"]): it for it in deployment.manifest["spec"]["template"]["spec"]["containers"]}
    if named is not None and named not in there:
        raise SourceError(f"{prefix}container {named} is not in {deployment.title}; there are: {', '.join(there)}")
    if named:
        return named
    if of_image := [name for name, it in there.items() if marked(it)]:
        # of several, the one that users reach: sidecars and helpers may be of the same image
        ports = [target(it) for it in service.manifest["spec"]["ports"][:1]]
        serving = [
            name
            for name in of_image
            for to in ports
            if any(to in (it.get("name"), it["containerPort"]) for it in there[name].get("ports") or ())
        ]
        return workload if workload in of_image else (serving or of_image)[0]
    if workload in there or len(there) == 1:
        return workload if workload in there else next(iter(there))
    raise SourceError(
        f"{prefix}{deployment.title} has {len(there)} containers, none called {workload} and none with the image "
        f"{ARTICLES}: name the one that gets the image with `container`: {', '.join(there)}"
    )
