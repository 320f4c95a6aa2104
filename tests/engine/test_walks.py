"""Random walks of commands, kills and hand edits: after each step a plain `up` brings everything in order.

`SLIPWAY_WALKS` says how many the soak walks, `SLIPWAY_SEED` the first one's seed. What each came to is in `out/walks`.
"""

import json
import os
import random
import time
from pathlib import Path

import pytest

from tests.engine.harness import stack
from tests.engine.strategies import NAMES, SOAK, served, under
from tests.engine.test_verbs import emptied
from tests.engine.walks import GOOD, LOSES, Step, Walk, drawn

COUNT = int(os.environ.get("SLIPWAY_WALKS", "200")) if SOAK else 3
FIRST = int(os.environ.get("SLIPWAY_SEED", "1"))
LENGTH = 5 if SOAK else 3
RATE = 50
DRAINED = 1.0


def settings_of(strategy, chance):
    """A strategy's own, so that a release waits for a person in half of the walks."""
    waits = chance.random() < 0.5
    if strategy == "blueGreen":
        return {"autoPromote": not waits, "keep": chance.choice(["window", "none"])}
    return {"steps": [{"replicas": 1}]} if strategy == "canary" and waits else {}


def walked(walk: Walk, step: Step, load) -> int:
    """One step and the `up` after it, under load; how many requests were sent."""
    with load("myapp", rate=RATE) as run:
        step(walk)
        walk.ran(walk.project.up()).expect()
        time.sleep(DRAINED)
    live, outputs = served(walk.admin, walk.namespace)[0], walk.project.outputs()["workloads"]["myapp"]
    assert live in walk.live, f"users are on {live}, not on one of {walk.live}"
    assert outputs["image"] == live, outputs
    assert set(run.result.versions) <= set(GOOD), run.result.versions
    assert step in LOSES or run.result.failed == 0, run.result.samples
    waits = outputs["phase"] == "Paused"  # then a promotion may come, and take users on
    walk.live = {live, *(walk.images.digest(it) for it in GOOD if waits)}
    return int(run.result.sent)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_whatever_is_done_a_plain_up_brings_it_in_order(project, namespace, images, admin, load, seed):
    chance, strategy = random.Random(seed), NAMES[seed % len(NAMES)]
    config = under(strategy, replicas=2, progressDeadline="20s", **settings_of(strategy, chance))
    project.configure(stack(namespace, myapp=config)).up(SLIPWAY_IMAGE=images.v1).expect()
    walk = Walk(project, admin, namespace, images, strategy, chance, {images.digest("v1")})
    came = {"seed": seed, "strategy": strategy, "steps": [], "sent": 0}
    try:
        for step in drawn(chance, LENGTH):
            came["steps"].append(step.__name__)
            came["sent"] += walked(walk, step, load)
        assert set(project.up().expect().changes) == {"same"}
        project.destroy().expect()
        emptied(admin, namespace)
    except AssertionError as fault:
        came["fault"] = str(fault)
        raise AssertionError(f"{came}\n{fault}") from fault
    finally:
        out = Path("out/walks")
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{seed}.json").write_text(json.dumps(came, indent=1))
