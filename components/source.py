"""Renders a workload's source by the kubernetes provider's own invokes: a CI image needs no further tool."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import yaml

from pulumi_slipway.components.inputs import whole
from pulumi_slipway.components.log import Log
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.drift import drift
from pulumi_slipway.settings import Workload
from pulumi_slipway.settings.source import Helm, HelmImage
from pulumi_slipway.source.definition import Definition, define
from pulumi_slipway.source.documents import documents
from pulumi_slipway.source.helm_hooks import left_out
from pulumi_slipway.source.inside import KUSTOMIZATIONS, bases, inside
from pulumi_slipway.source.normal import unlisted
from pulumi_slipway.source.rendered import IMAGE, REPOSITORY, TAG, Rendered, SourceError

FILE_LIMIT = 10 << 20
"""Bytes of a file of manifests or values."""
SCHEMA = "specifications of the schema"
"""What Helm says where a chart's values.schema.json refuses a value."""


def definition(name: str, workload: Workload, namespace: str, provider: pulumi.ProviderResource) -> Definition | None:
    """What the workload's source says; None where it has none. Raises SourceError."""
    source = workload.source
    if source is None:
        return None
    prefix = f"slipway:workloads.{name}.source"
    render = Renderer(prefix, namespace, provider)
    if source.manifests:
        rendered = render.manifests(source.manifests)
    elif source.kustomize:
        rendered = render.kustomize(source.kustomize)
    else:
        assert source.helm is not None  # noqa: S101  the settings have one of the three
        rendered = render.helm(name, source.helm)
    log = Log()
    found = define(name, source, rendered, namespace, workload.pre_stop, worker=workload.worker)
    for hook in left_out(source.helm.hooks if source.helm else "skip", rendered):
        log.info(f"{prefix}: left out, since no Helm runs here to run it: {hook}")
    for addition in found.additions if pulumi.runtime.is_dry_run() else ():
        log.info(f"{name}: added to the source's Deployment: {addition}")
    return found


class Renderer:
    """Makes objects of files; a failure is one line that says where."""

    def __init__(self, prefix: str, namespace: str, provider: pulumi.ProviderResource) -> None:
        self._prefix, self._namespace, self._provider = prefix, namespace, provider

    def manifests(self, patterns: tuple[str, ...]) -> list[Rendered]:
        """The objects of these files, in their order."""
        found: list[Rendered] = []
        for path in self._files("manifests", patterns):
            inside(f"{self._prefix}.manifests", path)
            for document in documents(f"{self._prefix}.manifests", path, _read(self._prefix, path)):
                objects = self._invoke("yaml:decode", document.place, {"text": document.text})
                found += [Rendered(it, document.place) for it in objects]
        return found

    def kustomize(self, directory: str) -> list[Rendered]:
        """The objects of a kustomization."""
        path, place = Path(directory), f"kustomization {directory}"
        if not path.is_dir():  # the provider would take it for an address in the network
            raise SourceError(f"{self._prefix}.kustomize: there is no directory {directory}")
        if not any((path / name).is_file() for name in KUSTOMIZATIONS):
            raise SourceError(f"{self._prefix}.kustomize: {directory} has no kustomization.yaml")
        bases(f"{self._prefix}.kustomize", path)
        found = self._invoke("kustomize:directory", place, {"directory": str(path.resolve())})
        return [Rendered(it, place) for it in found]

    def helm(self, release: str, helm: Helm) -> list[Rendered]:
        """The objects of a chart, rendered with the image's placeholders as its values."""
        place = f"chart {helm.chart}"
        values: dict[str, Any] = {}
        for name in helm.values_files:
            path = Path(name)
            if not path.is_file():
                raise SourceError(f"{self._prefix}.helm.valuesFiles: there is no file {name} below {Path.cwd()}")
            inside(f"{self._prefix}.helm.valuesFiles", path)
            try:
                given = yaml.safe_load(_read(self._prefix, path))
            except yaml.YAMLError as error:
                raise SourceError(f"{self._prefix}.helm.valuesFiles: {name}: {_one_line(error)}") from None
            if given is not None and not isinstance(given, dict):
                raise SourceError(f"{self._prefix}.helm.valuesFiles: {name} must be a mapping, as a values.yaml is")
            values = _merged(values, given or {})
        options: dict[str, Any] = {
            "release_name": release,
            "namespace": self._namespace,
            "include_test_hook_resources": True,
        }
        if helm.local:
            if not Path(helm.chart).exists():
                raise SourceError(
                    f"{self._prefix}.helm.chart: there is no chart {helm.chart} below {Path.cwd()}; one of a "
                    "repository needs `repo` and `version`"
                )
            inside(f"{self._prefix}.helm.chart", Path(helm.chart))
            options["path"] = str(Path(helm.chart).resolve())
        else:
            options |= {"chart": helm.chart, "version": helm.version}
            if helm.repo:
                options["fetch_opts"] = {"repo": helm.repo}
        values = _merged(values, helm.values)
        tried: SourceError | None = None
        for image in _images(helm.image):
            given = {**options, "values": _merged(values, image)}
            try:
                found = self._invoke("helm:template", place, {"jsonOpts": json.dumps(given)})
            except SourceError as error:
                tried = tried or error
                if SCHEMA not in str(error):
                    break
            else:
                self._refuse_random(place, found, self._invoke("helm:template", place, {"jsonOpts": json.dumps(given)}))
                return [Rendered(it, place) for it in found]
        raise tried or SourceError(place)

    def _refuse_random(self, place: str, found: Sequence[Manifest], again: Sequence[Manifest]) -> None:
        """Refuses a chart that is another at each rendering: each run would be a release, and each secret a new one.

        Helm renders once and keeps what it made; `lookup`, by which charts find it again, finds nothing where nothing
        is installed by Helm.
        """
        for one, other in zip(found, again, strict=False):
            for path in drift(one, other)[:1]:
                title = Rendered(one, place).title
                raise SourceError(
                    f"{self._prefix}: {title}: {path} has another value at each rendering (randAlphaNum, now, …): "
                    "give it one by the chart's values, or an existing Secret's name where the chart takes one"
                )

    def _files(self, key: str, patterns: tuple[str, ...]) -> list[Path]:
        files: dict[Path, None] = {}
        for pattern in patterns:
            found = sorted(path for path in Path().glob(pattern) if path.is_file())
            if not found:
                raise SourceError(f"{self._prefix}.{key}: no file is called {pattern} below {Path.cwd()}")
            files |= dict.fromkeys(found)
        return list(files)

    def _invoke(self, what: str, place: str, arguments: Mapping[str, Any]) -> list[Manifest]:
        try:
            answer = pulumi.runtime.invoke(
                f"kubernetes:{what}", dict(arguments), pulumi.InvokeOptions(provider=self._provider)
            )
        except Exception as error:  # the SDK has no narrower one
            raise SourceError(f"{self._prefix}: {place}: {_one_line(error)}") from None
        found: list[dict[str, Any]] = whole((answer.value or {}).get("result", []))
        return list(unlisted(found))


def _read(prefix: str, path: Path) -> str:
    size = path.stat().st_size
    if size > FILE_LIMIT:
        raise SourceError(f"{prefix}: {path} has {size / 2**20:.1f} MiB, more than {FILE_LIMIT >> 20}")
    try:
        return path.read_text()
    except UnicodeDecodeError:
        raise SourceError(f"{prefix}: {path} is not UTF-8 text") from None


def _images(paths: HelmImage) -> Iterator[dict[str, Any]]:
    """The values of the image, and what else is tried where the chart's schema refuses the placeholders.

    Whatever a chart makes of them, the workload's container gets the image that was asked for.
    """
    repository = _at(paths.repository, REPOSITORY if paths.tag else IMAGE) if paths.repository else {}
    for tag in (TAG, f"v{TAG}") if paths.tag else ():
        yield _merged(repository, _at(paths.tag or "", tag))
    yield repository
    if repository:
        yield {}


def _at(path: str, value: str) -> dict[str, Any]:
    node: Any = value
    for key in reversed(path.split(".")):
        node = {key: node}
    found: dict[str, Any] = node
    return found


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm merges values: mappings by key, all else is replaced."""
    both = dict(under)
    for key, value in over.items():
        old = both.get(key)
        both[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


def _one_line(error: Exception) -> str:
    """The end of what the engine says of an invoke, without its own names for it."""
    text = " ".join(str(error).split())
    for mark in ("rpc error: code = Unknown desc = ", "invocation of kubernetes:"):
        text = text.rpartition(mark)[2] or text
    return text[:500]
