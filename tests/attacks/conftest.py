"""Attacks on the cluster run on the same one as the engine's tests."""

from tests.engine.conftest import admin, images, load, namespace, project, registry, sandbox

__all__ = ["admin", "images", "load", "namespace", "project", "registry", "sandbox"]
