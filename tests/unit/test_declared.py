"""The annotation by which the engine, that compares inputs with inputs, sees what the cluster says."""

from pulumi_slipway.core.keys import OBSERVED
from pulumi_slipway.release.declared import declared


def wanted(replicas=3, **annotations):
    return {"metadata": {"name": "myapp", "annotations": annotations}, "spec": {"replicas": replicas}}


def live(replicas=3, version="7", **annotations):
    metadata = {"name": "myapp", "resourceVersion": version, "uid": "u", "annotations": annotations}
    return {"metadata": metadata, "spec": {"replicas": replicas, "paused": False}, "status": {"replicas": replicas}}


def observed(manifest):
    return manifest["metadata"]["annotations"].get(OBSERVED)


def test_what_is_new_is_declared_as_it_is_wanted():
    assert declared(wanted(), None) == wanted()


def test_what_is_as_wanted_keeps_what_it_has():
    assert declared(wanted(), live()) == wanted()
    assert observed(declared(wanted(), live(**{OBSERVED: "5"}))) == "5"
    assert declared(wanted(), {**live(), "metadata": {"name": "myapp", "resourceVersion": "7"}}) == wanted()


def test_what_drifted_takes_the_version_that_was_seen_and_keeps_it_once_it_is_mended():
    mended = declared(wanted(), live(replicas=1, version="8", **{OBSERVED: "5"}))
    assert observed(mended) == "8"
    after = live(version="9", **mended["metadata"]["annotations"])
    assert declared(wanted(), after) == mended


def test_what_the_provider_alone_is_told_is_no_drift():
    manifest = wanted(**{"pulumi.com/skipAwait": "true", "note": "ours"})
    assert observed(declared(manifest, live(note="ours"))) is None
    assert observed(declared(manifest, live(note="theirs"))) == "7"


def test_what_must_be_touched_takes_the_version_in_any_case():
    assert observed(declared(wanted(), live(), always=True)) == "7"


def test_the_manifest_that_is_given_stays_as_it_was():
    given = wanted(note="ours")
    declared(given, live(replicas=1))
    assert given == wanted(note="ours")
