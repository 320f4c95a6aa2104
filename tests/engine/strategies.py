"""The sample app under each strategy, with a check that a good release passes and a bad one does not."""

import os
from typing import Any

import pytest
from lightkube import Client
from lightkube.resources.apps_v1 import Deployment

from tests.engine.cluster_view import pods, pool
from tests.engine.harness import app

CHECKS: dict[str, Any] = {"answers": {"http": {"path": "/"}, "interval": "1s"}}
NAMES = ("rolling", "blueGreen", "canary")
SOAK = bool(os.environ.get("SLIPWAY_SOAK"))
soak = pytest.mark.skipif(not SOAK, reason="what it shows is shown in a neighbouring case, too: make soak")


def some(*names: str) -> tuple[str, ...]:
    """The strategies that a test asks: every one in the soak, these by default, so that `make test` stays short."""
    return NAMES if SOAK else names


STEPS: list[dict[str, Any]] = [{"replicas": 1, "pause": "1s"}, {"weight": 50, "pause": "1s"}]


def under(strategy: str, **settings: Any) -> dict[str, Any]:
    """The app, three pods of it, under this strategy; `settings` are the strategy's own."""
    defaults: dict[str, Any] = {"steps": STEPS} if strategy == "canary" else {}
    workload = {key: settings.pop(key) for key in ("checks", "replicas", "progressDeadline") if key in settings}
    return app(**{"replicas": 3, "checks": CHECKS, "strategy": {strategy: {**defaults, **settings}}, **workload})


def deployment_name(track: str) -> str:
    """What the track's Deployment of `myapp` is called."""
    return "myapp" if track == "stable" else f"myapp-{track}"


def serving(admin: Client, namespace: str) -> str:
    """The track that the Service points to; a canary beside it does not count."""
    where = pool(admin, namespace)
    return "stable" if where == "main" else str(where)


def served(admin: Client, namespace: str) -> tuple[str, set[str]]:
    """The image of the track that serves, and its pods."""
    track = serving(admin, namespace)
    found = admin.get(Deployment, deployment_name(track), namespace=namespace).to_dict()
    return found["spec"]["template"]["spec"]["containers"][0]["image"], pods(admin, namespace, track=track)
