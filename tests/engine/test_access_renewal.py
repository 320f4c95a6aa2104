"""A token is renewed before it expires, new before old: whoever reads GitLab's variable has one that works.

One stack for all tests: each takes it as the one before left it, so their order does not matter.
"""

import threading
import time

import pytest

from tests.engine.access_stack import AccessStack, faulty, kubernetes, refused_within
from tests.engine.strategies import soak

HOUR = 3600


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    stack = AccessStack(tmp_path_factory.mktemp("renewal"))
    configure(stack)
    stack.up()
    yield stack
    stack.discard()


def configure(stack, renew_before=60, expiration=HOUR):
    """One second after its issue a token of an hour is due where `renew_before` is an hour less a second."""
    token = {"expiration": expiration, "renewBefore": renew_before}
    stack.configure({"staging": {"preview": False}}, token=token)


def due(stack):
    """Makes the token due, whenever it was issued."""
    configure(stack, renew_before=HOUR - 1)
    time.sleep(1.1)


def anchors(stack):
    """Names of the Secrets that tokens are bound to."""
    with kubernetes() as admin:
        listed = admin.get(f"/api/v1/namespaces/{stack.namespace('staging')}/secrets").json()["items"]
    return sorted(s["metadata"]["name"] for s in listed if s["metadata"]["name"].startswith("gitlab-deploy-token-"))


def works(stack, token):
    with kubernetes(token) as client:
        return client.get(f"/api/v1/namespaces/{stack.namespace('staging')}/pods").status_code == 200


class Reader(threading.Thread):
    """A job after the other: reads the variable and uses it at once; keeps what was refused."""

    def __init__(self, stack):
        super().__init__()
        self.stack, self.ended = stack, threading.Event()
        self.good, self.refused, self.seen = 0, [], []

    def has_used_one_more(self):
        """Waits until it has read and used a token anew: how often it does meanwhile is the machine's affair."""
        before, deadline = self.good + 1, time.monotonic() + 60  # one may have been read already
        while self.good <= before:
            assert time.monotonic() < deadline, "nobody reads"
            time.sleep(0.02)

    def run(self):
        while not self.ended.is_set():
            token = self.stack.token("staging")
            if token not in self.seen:
                self.seen.append(token)
            if works(self.stack, token):
                self.good += 1
            elif self.stack.token("staging") == token:  # else it was replaced between reading and using
                self.refused.append(token[-8:])
            time.sleep(0.02)


def test_a_token_that_is_due_is_replaced_without_a_gap(stack):
    old, before = stack.token("staging"), anchors(stack)
    due(stack)
    reader = Reader(stack)
    reader.start()
    try:
        reader.has_used_one_more()
        done = stack.up()
        reader.has_used_one_more()
    finally:
        reader.ended.set()
        reader.join()
    new, [after] = stack.token("staging"), anchors(stack)
    assert new != old
    assert [after] > before
    assert reader.refused == []
    assert reader.seen == [old, new]
    # The old Secret goes last, after GitLab has the new token.
    steps = done.operations()
    updated = max(i for i, (step, name) in enumerate(steps) if step == "update" and "KUBE" in name)
    deleted = min(i for i, (step, name) in enumerate(steps) if step.startswith("delete") and "-anchor" in name)
    assert deleted > updated, steps
    assert works(stack, new)
    assert refused_within(old, 15) <= 15


def test_a_preview_of_a_renewal_shows_it_and_changes_nothing(stack):
    old, before = stack.token("staging"), anchors(stack)
    due(stack)
    assert "replace" in stack.run.preview().expect().changes
    assert stack.token("staging") == old
    assert anchors(stack) == before


@soak
def test_a_shorter_expiration_replaces_a_longer_token_at_once(stack):
    configure(stack, expiration=2 * HOUR, renew_before=2 * HOUR - 1)  # due, so that there is one of two hours
    stack.up()
    longer = stack.token("staging")
    configure(stack, expiration=2 * HOUR)
    assert set(stack.up().changes) == {"same"}
    assert stack.token("staging") == longer
    configure(stack, expiration=HOUR)
    stack.up()
    assert stack.token("staging") != longer
    assert refused_within(longer, 15) <= 15


def test_deleting_the_secret_revokes_the_token_and_the_next_run_mints_another(stack):
    configure(stack)
    stack.up()
    old, [name] = stack.token("staging"), anchors(stack)
    with kubernetes() as admin:
        path = f"/api/v1/namespaces/{stack.namespace('staging')}/secrets/{name}"
        assert admin.delete(path).status_code == 200
    assert refused_within(old, 15) <= 15
    stack.up()
    assert works(stack, stack.token("staging"))
    assert anchors(stack) > [name]


@soak
def test_a_renewal_that_failed_half_way_leaves_the_old_token_good_and_is_finished_by_the_next_run(stack):
    configure(stack)
    stack.up()
    old, [first] = stack.token("staging"), anchors(stack)
    due(stack)
    with faulty(status=500, count=99, method="PUT", path="/variables/"):
        assert stack.run.up().status != 0
    assert stack.token("staging") == old
    assert works(stack, old)
    [kept, half] = anchors(stack)
    assert kept == first
    configure(stack)  # nothing is due any more: the newest is fresh, though GitLab has never seen it
    stack.up()
    assert anchors(stack) == [half]
    assert works(stack, stack.token("staging"))
    assert refused_within(old, 15) <= 15
