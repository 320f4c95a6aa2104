"""Reads the settings from the running Pulumi program; the one place here that knows Pulumi."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pulumi
from pulumi.runtime import config

from pulumi_slipway.settings.mistakes import SettingsError
from pulumi_slipway.settings.stack import Settings, parse

PROVIDER = "kubernetes:"
PREFIX = "slipway:"
"""Namespace of the keys, whatever the project is called."""


def load() -> Settings:
    """The settings of this run; raises SettingsError with all mistakes."""
    given = _given()
    blocks = {key.removeprefix(PREFIX): _value(value) for key, value in given.items() if key.startswith(PREFIX)}
    sealed = [block for block in blocks if config.is_config_secret(f"{PREFIX}{block}")]
    stack = pulumi.get_stack()
    file = Path(f"Pulumi.{stack}.yaml")
    _refuse_the_providers_own(given, file.name)
    if not file.is_file():  # another --config-file, whose name we are not what
        return parse(blocks, os.environ, file=f"stack {stack}", sealed=sealed)
    return parse(blocks, os.environ, file=file.name, text=file.read_text(), sealed=sealed)


def refuse_another_cluster() -> None:
    """Raises SettingsError where the config chooses the cluster for Pulumi's default provider: ours would not know it.

    In somebody's own program, whose other keys may be meant for resources of their own.
    """
    given = _given()
    chosen = [f"{PROVIDER}{key}" for key in ("cluster", "context", "kubeconfig") if f"{PROVIDER}{key}" in given]
    if chosen:
        raise SettingsError(
            f"{', '.join(chosen)}: not read by the components of pulumi_slipway: the cluster is the current context of "
            "the file in KUBECONFIG; for another one give EnvironmentArgs.kubeconfig"
        )


def _given() -> dict[str, str]:
    """All keys. `pulumi.Config` can only be asked for those that one knows, and a misspelt one has to be told."""
    return {**config.get_config_env(), **config.CONFIG.get()}


def _refuse_the_providers_own(keys: Iterable[str], file: str) -> None:
    """Pulumi's way to configure its default provider, of which our own would know nothing: another cluster than meant.

    Source: the provider configuration of pulumi-kubernetes, `kubernetes:<option>`.
    """
    own = sorted(key for key in keys if key.startswith(PROVIDER))
    if own:
        what = "is not read here: the cluster is the current context of the file in KUBECONFIG, the namespace is "
        what += "slipway:environment.namespace; remove this key, and choose the cluster there"
        raise SettingsError("\n".join(f"{file}: {key}: {what}" for key in own))


def _value(text: str) -> object:
    """A value as the engine hands it over: a structured one as JSON, null as an empty string."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
