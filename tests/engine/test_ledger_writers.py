"""Two that write one ledger on the real API server: compare-and-swap, and who loses reads again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

from lightkube.resources.core_v1 import ConfigMap

from pulumi_slipway.cluster import decoders
from pulumi_slipway.core.model import Phase, TrackName
from pulumi_slipway.release import ledger
from pulumi_slipway.release.ledger import Book
from pulumi_slipway.release.ledger_writer import Writer
from tests.attacks.test_attack_forged_ledger import V1, release
from tests.engine.cluster_view import records
from tests.engine.harness import Project, app, stack

LETTERS = "23456789abcdef"


def book(client, namespace):
    """What a run has, that has observed the ledger as it is now."""
    live = client.get(ConfigMap, "web-releases", namespace=namespace).to_dict()
    writer = Writer(client, "web", namespace, {}, live)
    return Book(ledger.decode(live["data"]), writer, keep=50, now=lambda: datetime.now(UTC))


def test_writers_at_the_same_moment_lose_no_record(admin, namespace):
    decoders.make()  # as `connect` does
    first = Book((), Writer(admin, "web", namespace, {}, None), keep=50)
    first.begin(V1, TrackName.STABLE, "rolling", {})
    first.finish(Phase.HEALTHY)
    for round_ in range(0, len(LETTERS), 2):
        together = Barrier(2)

        def run(letter, together=together):
            own = book(admin, namespace)
            together.wait()
            own.begin(release(letter), TrackName.STABLE, "rolling", {"actor": letter})
            own.finish(Phase.DEGRADED, "failed")

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(run, letter) for letter in LETTERS[round_ : round_ + 2]]:
                done.result()
    found = records(admin, namespace, "web")
    assert {it.release for it in found} == {V1, *map(release, LETTERS)}
    assert len({it.sequence for it in found}) == len(found)
    assert {it.outcome for it in found[1:]} == {Phase.DEGRADED}


def test_two_runs_from_two_backends_both_stand_in_the_ledger(tmp_path, project, namespace, images, admin):
    other = Project(tmp_path / "other")
    settings = stack(namespace, myapp=app())
    project.configure(settings).up(SLIPWAY_IMAGE=images.v1).expect()
    other.configure(settings)
    running = [project.up_async(SLIPWAY_IMAGE=images.v2), other.up_async(SLIPWAY_IMAGE=images.v3)]
    ended = [it.wait() for it in running]
    assert not [it.output for it in ended if "Traceback" in it.output]
    found = records(admin, namespace)
    released = [it.release.image for it in found]
    for outcome, image in zip(ended, ("v2", "v3"), strict=True):
        assert outcome.status != 0 or images.digest(image) in released
    assert [it.sequence for it in found] == sorted({it.sequence for it in found})
    assert found[0].outcome is Phase.HEALTHY
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    assert records(admin, namespace)[-1].release.image == images.digest("v2")
