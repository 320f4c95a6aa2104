"""Random histories of pushes, merges, hotfixes, retries and rollbacks: production gets its own pipeline's code or none.

The commits are a model (parents, and files by version); what decides is `promote`'s own code. Whatever the history,
production gets an image that has the files of the pipeline's commit, unless somebody names an image.
"""

import os
import random
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from pulumi_slipway.core.keys import PROVENANCE, RUNS
from pulumi_slipway.core.model import Observed, Phase, Record, Release
from pulumi_slipway.pipeline import promote as module
from pulumi_slipway.pipeline.promote import Built, NotPromotable, Source
from pulumi_slipway.release.promotion import NotPromoted, promote
from pulumi_slipway.settings.environment import PromoteFrom

HISTORIES = 4000 if os.environ.get("SLIPWAY_SOAK") else 300
EVENTS = 40
MERGES = (("feature", "develop"), ("develop", "main"), ("main", "develop"), ("main", "feature"))
FILES = ("app/main", "app/Dockerfile", "docs")
RULE = PromoteFrom(environment="staging", verified_for="0s")


@dataclass(frozen=True)
class Commit:
    """One commit; the number is its id."""

    number: int
    parents: tuple["Commit", ...]
    files: tuple[int, ...]

    @property
    def sha(self):
        return f"{self.number:040x}"

    def before(self):
        """It, and all that it has among its ancestors."""
        seen, left = set(), [self]
        while left:
            one = left.pop()
            if one.sha not in seen:
                seen.add(one.sha)
                left += one.parents
        return seen

    def app(self):
        """What goes into the image."""
        return self.files[:2]


@dataclass
class Checkout:
    """What git says in a job of `at`; a clone has what its branches had by then, and asks for the rest."""

    at: Commit
    every: dict = field(repr=False)

    @property
    def head(self):
        return self.at.sha

    def knows(self, sha):
        return sha in self.every

    def holds(self, sha):
        return sha in self.at.before()

    def differing(self, sha, paths):
        other = self.every[sha]
        return [name for name, a, b in zip(FILES, self.at.files, other.files, strict=True) if a != b and "app" in name]


class World:
    """A repository with branches, and two environments."""

    def __init__(self, seed):
        self.random, self.every, self.clock = random.Random(seed), {}, datetime(2026, 1, 1, tzinfo=UTC)
        first = self.commit((), (0, 0, 0))
        self.branches = {"main": first, "develop": first, "feature": first}
        self.ledgers, self.left, self.built = {"staging": [], "production": []}, {}, {}
        self.refused = self.brought = 0

    def commit(self, parents, files):
        made = Commit(len(self.every) + 1, parents, files)
        self.every[made.sha] = made
        return made

    def push(self, branch):
        files = list(self.branches[branch].files)
        files[self.random.randrange(len(files))] = len(self.every) + 1
        self.branches[branch] = self.commit((self.branches[branch],), tuple(files))

    def merge(self, source, target):
        one, other = self.branches[source], self.branches[target]
        if one.sha in other.before():
            return
        if other.sha in one.before() and self.random.random() < 0.5:
            self.branches[target] = one  # fast-forward
            return
        files = tuple(max(pair) for pair in zip(one.files, other.files, strict=True))
        squashed = self.random.random() < 0.4
        self.branches[target] = self.commit((other,) if squashed else (other, one), files)

    def image(self, commit):
        """Each build of a commit is another digest."""
        digest = f"{self.random.getrandbits(256):064x}"
        self.built[digest] = commit
        return f"registry/app@sha256:{digest}"

    def release(self, environment, image, commit, *, left=""):
        self.clock += timedelta(minutes=1)
        at, records = self.clock.isoformat(), self.ledgers[environment]
        good = environment == "production" or self.random.random() < 0.8
        release = Release.of({"metadata": {}, "spec": {"containers": [{"image": image}]}})
        outcome, said = Phase.HEALTHY if good else Phase.DEGRADED, {"commit": commit.sha}
        records.append(Record(len(records) + 1, release, outcome, at, at, 1.0, provenance=said, left=left))
        if good:  # a run that was asked to go back says no commit
            self.left[environment] = {} if left else {f"{PROVENANCE}commit": commit.sha, RUNS: image}

    def deploy_staging(self, commit):
        self.release("staging", self.image(commit), commit)

    def roll_back(self, environment, commit):
        healthy = [it for it in self.ledgers[environment] if it.outcome is Phase.HEALTHY]
        if len(healthy) > 1:
            live = healthy[-1].release.image
            self.release(environment, healthy[-2].release.image, commit, left=live)

    def production(self, commit):
        """A pipeline of main, or one of before that is run again."""
        source = Source(None, "staging", "staging", Checkout(commit, self.every), Built(("app",)), ("registry/app",))
        try:
            image, _ = source.good("web")
            own = Observed(ledger=tuple(self.ledgers["production"]))
            choice = promote("web", RULE, self.ledgers["staging"], own, image, self.clock, confirmed=True)
        except (NotPromotable, NotPromoted):
            self.refused += 1
            return
        if choice.image:
            self.brought += 1
            built = self.built[choice.image.partition("sha256:")[2]]
            assert built.app() == commit.app(), "code that is not this commit's"
            self.release("production", choice.image, commit)

    def step(self):
        branch = self.random.choice
        match self.random.randrange(10):
            case 0 | 1:
                self.push(branch(["feature", "develop"]))
            case 2:
                self.push("main")  # a hotfix
            case 3 | 4:
                self.merge(*branch(MERGES))
            case 5 | 6:
                self.deploy_staging(self.branches["develop"])
            case 7:
                old = [it for it in self.every.values() if it.sha in self.branches["main"].before()]
                self.production(branch([self.branches["main"], branch(old)]))
            case 8:
                self.production(self.branches["main"])
            case 9:
                self.roll_back(branch(["staging", "production"]), self.branches["main"])


@pytest.fixture
def ledgers(monkeypatch):
    """The world that the jobs ask."""
    asked = {}
    monkeypatch.setattr(module, "records", lambda _, workload, where: tuple(asked["world"].ledgers[where]))
    monkeypatch.setattr(module.snapshot, "annotations", lambda _, where, stack: asked["world"].left.get(stack, {}))
    monkeypatch.setattr(module.cluster, "as_preflight_error", lambda _: nullcontext())
    return asked


@pytest.mark.timeout(0)
def test_production_never_gets_code_that_is_not_its_pipelines(ledgers):
    refused = brought = 0
    for seed in range(HISTORIES):
        world = ledgers["world"] = World(seed)
        for _ in range(EVENTS):
            world.step()
        refused, brought = refused + world.refused, brought + world.brought
    assert brought > HISTORIES / 2, "histories in which something is released"
    assert refused > HISTORIES / 2, "and some in which it must not be"
