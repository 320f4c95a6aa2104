"""Settings of a workload's source: where its Kubernetes objects are written down, if not in the stack file."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pulumi_slipway.settings.mistakes import Mistakes
from pulumi_slipway.settings.types import DnsName, Model, Rule, text, unique

_BELOW = r"(?!(.*/)?[.][.](/|$))"
"""Before a path: it does not go up."""
RelativePath = Annotated[
    str,
    text(
        rf"(?!/){_BELOW}[^\x00-\x1f]*[^\x00-\x1f/]",
        "must be a path below the project's directory, not an absolute one and without ..",
    ),
]
ValuePath = Annotated[
    str, text(r"[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*", 'must be a path into the values, like "image.repository"')
]


def _values(value: object) -> Mapping[str, Any]:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    raise ValueError("must be a mapping, as in a chart's values.yaml")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class HelmImage(Model):
    """Where a chart's values take the image; null where it has no such value."""

    repository: ValuePath | None = "image.repository"
    """Path of the image without its tag. Default "image.repository" (the article's)."""
    tag: ValuePath | None = "image.tag"
    """Path of the tag. Default "image.tag" (the article's)."""


class Helm(Model):
    """A Helm chart, rendered as `helm template` does; no Helm release is made of it."""

    chart: Annotated[str, text(r"\S(.*\S)?", "must be a chart: a directory, a .tgz, an oci:// reference or a name")]
    """A chart's directory or package below the project's directory, "oci://registry/charts/web", or with `repo` its
    name."""
    repo: Annotated[str, text(r"https?://\S+", "must be the http(s):// URL of a chart repository")] | None = None
    """Repository that the chart is in. Default null: `chart` says it all."""
    version: Annotated[str, text(r"\S+", "must be a chart's version")] | None = None
    """Version of the chart; needed where it is not a path: what is deployed must not change by itself."""
    values_files: Annotated[
        tuple[RelativePath, ...],
        BeforeValidator(_listed, json_schema_input_type=RelativePath | tuple[RelativePath, ...]),
        AfterValidator(unique),
    ] = ()
    """Files of values; a later one wins. Default: none."""
    values: Annotated[Mapping[str, Any], Rule(_values, {"type": "object"})] = Field(default_factory=dict)
    """Values over those of the files. Default: none."""
    image: HelmImage = Field(default_factory=HelmImage)
    """Which values take the image."""
    hooks: Literal["refuse", "skip", "run"] = "refuse"
    """What becomes of objects with a `helm.sh/hook` annotation: no Helm runs here to run them. `refuse` names them and
    stops; `skip` leaves them out and says so; `run` makes those of `pre-install` and `pre-upgrade` before each release,
    by their weights, a Job once for each image, and refuses others by name. Tests (`helm test`) are always left out.
    Default refuse."""

    @property
    def local(self) -> bool:
        """Whether the chart is a path below the project's directory."""
        return self.repo is None and not self.chart.startswith("oci://")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if not self.local and self.version is None:
            mistakes = Mistakes()
            mistakes.add(("version",), "is missing: without it the newest chart would be deployed, whatever it is")
            raise mistakes
        if self.local and (self.chart.startswith("/") or ".." in self.chart.split("/")):
            mistakes = Mistakes()
            remedy = "must be a path below the project's directory, not an absolute one and without .."
            mistakes.add(("chart",), remedy, self.chart)
            raise mistakes
        return self


class Source(Model):
    """Where a workload's objects come from: exactly one of manifests, kustomize, helm."""

    manifests: (
        Annotated[
            tuple[RelativePath, ...],
            BeforeValidator(_listed, json_schema_input_type=RelativePath | tuple[RelativePath, ...]),
            AfterValidator(unique),
            Field(min_length=1),
        ]
        | None
    ) = None
    """Files of Kubernetes manifests, or globs ("k8s/*.yaml"); several documents in each."""
    kustomize: RelativePath | None = None
    """Directory of a kustomization: a base, or an overlay over one."""
    helm: Helm | None = None
    """A Helm chart."""
    deployment: DnsName | None = None
    """Name of the workload's Deployment among the objects. Default: the one called as the workload, or the only one."""
    service: DnsName | None = None
    """Name of its Service. Default: the one called as the workload, or the only one."""
    container: DnsName | None = None
    """Container that gets the image. Default: the one whose image is IMAGE_PLACEHOLDER (the article's) or comes from
    the chart's image values; else the one called as the workload, or the only one."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("manifests", "kustomize", "helm") if getattr(self, name) is not None]
        if len(given) != 1:
            mistakes = Mistakes()
            mistakes.add((), "must have one of manifests, kustomize and helm" + (", not several" if given else ""))
            raise mistakes
        return self
