"""The provider's functions that render: YAML, Helm charts, kustomizations.

The official provider has Helm and Kustomize built in; here the sandbox's own `helm` and `kubectl` do the same work.
YAML
is read as Go reads it: no dates, no base 60, and yes and no are true and false.
"""

import json
import re
import subprocess
from pathlib import Path

import yaml

from sandbox.plugins.kubernetes.api import Api, Object
from sandbox.plugins.properties import Json
from sandbox.plugins.provider_base import ProviderError

SECONDS = 60


class GoLoader(yaml.CSafeLoader):
    """Resolves plain scalars as sigs.k8s.io/yaml does."""


GoLoader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int")]
    for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
GoLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9_]*|0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+)$"), [*"-+0123456789"]
)


def decode(text: str, namespace: str, api: Api | None) -> list[Object]:
    """The objects of a YAML text; those without a namespace get the default one, where one is given."""
    try:
        documents = list(yaml.load_all(text, GoLoader))
    except yaml.YAMLError as error:
        raise ProviderError(f"error converting YAML to JSON: {error}") from None
    found = [it for it in documents if isinstance(it, dict) and it.get("kind") and it.get("apiVersion")]
    for it in found:
        if namespace and not (it.get("metadata") or {}).get("namespace") and _namespaced(api, it):
            it.setdefault("metadata", {})["namespace"] = namespace
    plain: list[Object] = json.loads(json.dumps(found))  # as the official one: what no JSON can hold is refused
    return plain


def kustomize(directory: str) -> list[Object]:
    """The objects of a kustomization in a directory."""
    if not Path(directory).is_dir():
        raise ProviderError(f'failed to retrieve specified kustomize directory: "{directory}"')
    text = _run(["kubectl", "kustomize", directory], f'kustomize failed for directory "{directory}"')
    return decode(text, "", None)


def template(json_options: str, api: Api | None) -> list[Object]:
    """The objects of a chart, its hooks among them, for the version and the kinds of the cluster."""
    options: dict[str, Json] = json.loads(json_options)
    fetch = options.get("fetch_opts") or {}
    command = ["helm", "template", str(options.get("release_name") or "release"), "--values", "-", "--include-crds"]
    command += ["--namespace", str(options.get("namespace") or "default")]
    if not options.get("include_test_hook_resources"):
        command.append("--skip-tests")
    command.append(str(options.get("path") or options["chart"]))
    for flag, value in (("--version", options.get("version")), ("--repo", fetch.get("repo"))):
        command += [flag, str(value)] if value and not options.get("path") else []
    if api is not None:
        command += ["--kube-version", api.version(), *(f"--api-versions={it}" for it in api.versions())]
    text = _run(
        command,
        "failed to generate YAML for specified Helm chart: failed to create chart from template",
        json.dumps(options.get("values") or {}),
    )
    return decode(text, str(options.get("namespace") or ""), api)


def _run(command: list[str], what: str, given: str = "") -> str:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise ProviderError(f"{what}: no end within {SECONDS} s") from None
    if done.returncode:
        raise ProviderError(f"{what}: {' '.join(done.stderr.split()).removeprefix('Error: ').removeprefix('error: ')}")
    return done.stdout


def _namespaced(api: Api | None, item: Object) -> bool:
    try:
        return api is None or api.kind_of(item).namespaced
    except Exception:  # as the official one: a kind that isn't known yet is taken to be namespaced
        return True
