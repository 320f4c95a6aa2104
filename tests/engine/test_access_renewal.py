"""A token is renewed before it expires, new before old: whoever reads GitLab's variable has one that works."""

import threading
import time

import pytest

from tests.engine.access_stack import AccessStack, kubernetes, new_project, refused_within


@pytest.fixture
def stack(tmp_path):
    stack = AccessStack(tmp_path, new_project())
    configure(stack, renew_before="1m")
    stack.succeed()
    yield stack
    assert stack.pulumi("destroy", "--yes", "--skip-preview").status == 0


def configure(stack, renew_before, expiration="1h"):
    stack.configure(
        {"staging": {"preview": False}}, token={"expiration": expiration, "renewBefore": renew_before}
    )  # fmt: skip


def anchors(stack):
    """Names of the Secrets that tokens are bound to."""
    with kubernetes() as admin:
        listed = admin.get(f"/api/v1/namespaces/{stack.namespace('staging')}/secrets").json()["items"]
    return [s["metadata"]["name"] for s in listed if s["metadata"]["name"].startswith("gitlab-deploy-token-")]


class Reader(threading.Thread):
    """A job after the other: reads the variable and uses it at once; keeps what was refused."""

    def __init__(self, stack):
        super().__init__()
        self.stack, self.ended = stack, threading.Event()
        self.good, self.refused, self.seen = 0, [], []

    def run(self):
        while not self.ended.is_set():
            token = self.stack.token("staging")
            if token not in self.seen:
                self.seen.append(token)
            with kubernetes(token) as client:
                status = client.get(f"/api/v1/namespaces/{self.stack.namespace('staging')}/pods").status_code
            # Between reading and using, the update may have replaced and revoked it: then the variable says another.
            if status == 200:
                self.good += 1
            elif self.stack.token("staging") == token:
                self.refused.append(status)
            time.sleep(0.02)


def test_a_token_that_is_due_is_replaced_without_a_gap(stack):
    old, [first] = stack.token("staging"), anchors(stack)
    configure(stack, renew_before="3599s")  # so, a second after its issue, every token is due
    reader = Reader(stack)
    reader.start()
    try:
        time.sleep(1)
        done = stack.succeed()
    finally:
        reader.ended.set()
        reader.join()
    new, [second] = stack.token("staging"), anchors(stack)
    assert new != old
    assert second > first
    assert reader.refused == []
    assert reader.good > 20
    assert reader.seen == [old, new]
    assert refused_within(old, 15) <= 15
    with kubernetes(new) as client:
        assert client.get(f"/api/v1/namespaces/{stack.namespace('staging')}/pods").status_code == 200
    # The old Secret goes last, after GitLab has the new token.
    lines = done.stdout.splitlines()
    updated = max(i for i, line in enumerate(lines) if "ProjectVariable" in line and "updated" in line)
    deleted = [i for i, line in enumerate(lines) if "-anchor" in line and "deleted" in line]
    assert deleted, done.stdout
    assert min(deleted) > updated


def test_a_preview_of_a_renewal_shows_it_and_changes_nothing(stack):
    old = stack.token("staging")
    configure(stack, renew_before="3599s")
    time.sleep(1)
    shown = stack.pulumi("preview")
    assert shown.status == 0, shown.text
    assert "replace" in shown.stdout
    assert stack.token("staging") == old
    assert len(anchors(stack)) == 1


def test_a_shorter_expiration_replaces_the_token_at_once(stack):
    configure(stack, renew_before="1m", expiration="2h")
    stack.succeed()
    longer = stack.token("staging")
    configure(stack, renew_before="1m", expiration="1h")
    stack.succeed()
    assert stack.token("staging") != longer or len(anchors(stack)) == 1


def test_deleting_the_secret_revokes_the_token_and_the_next_run_mints_another(stack):
    old, [name] = stack.token("staging"), anchors(stack)
    with kubernetes() as admin:
        path = f"/api/v1/namespaces/{stack.namespace('staging')}/secrets/{name}"
        assert admin.delete(path).status_code == 200
    assert refused_within(old, 15) <= 15
    stack.succeed()
    new = stack.token("staging")
    assert new != old
    with kubernetes(new) as client:
        assert client.get(f"/api/v1/namespaces/{stack.namespace('staging')}/pods").status_code == 200
    assert anchors(stack) == [n for n in anchors(stack) if n > name]


def test_a_run_that_was_killed_in_a_renewal_is_finished_by_the_next(stack):
    """The new Secret is there, the variables still hold the old token: the next run goes on with the newest."""
    old, [first] = stack.token("staging"), anchors(stack)
    configure(stack, renew_before="3599s")
    time.sleep(1)
    failed = stack.up(env={"GITLAB_TOKEN": "glpat-expired-in-between-0"})
    assert failed.status != 0  # the preflight stops it: nothing is written
    assert anchors(stack) == [first]
    stack.succeed()
    assert len(anchors(stack)) == 1
    assert refused_within(old, 15) <= 15
