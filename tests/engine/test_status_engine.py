"""`slipway status` and the reports of releases, on the real cluster."""

import json
import os
import pty
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lightkube.models.core_v1 import ResourceQuotaSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, ResourceQuota, Secret

from demo.workspace import CHECKOUT
from pulumi_slipway.access import rights
from pulumi_slipway.report.words import happened
from tests.engine.cluster_view import records
from tests.engine.harness import Project, app, stack
from tests.engine.test_preflight import Bench, closed

COMMAND = [sys.executable, "-m", "pulumi_slipway.cli", "status"]
CHECKS = {"answers": {"http": {"path": "/"}, "interval": "1s"}}
STEPS = [{"weight": 25, "pause": "2s"}, {"weight": 50}]


def status(*arguments, expect=0, **environ):
    """What the command prints, as in a CI job: no terminal; its one line where it fails."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if expect == 0 else done.stderr


def told(*arguments, **environ):
    """The workloads by name, as machines get them."""
    return {view["name"]: view for view in json.loads(status("--json", *arguments, **environ))["workloads"]}


@pytest.fixture(scope="module")
def live(images, admin, tmp_path_factory):
    """A namespace where myapp runs v1, for all tests that only look, or leave it as it was."""
    directory, name = tmp_path_factory.mktemp("status"), f"t-{secrets.token_hex(4)}"
    admin.create(Namespace(metadata=ObjectMeta(name=name)))
    login = (Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text()
    metadata = ObjectMeta(name="gitlab-registry", namespace=name)
    kind = "kubernetes.io/dockerconfigjson"
    admin.create(Secret(metadata=metadata, type=kind, stringData={".dockerconfigjson": login}))
    project = Project(directory).configure(stack(name, myapp=app(replicas=2)))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    yield Bench(project, name, admin, directory)
    admin.delete(Namespace, name)


def test_a_switched_and_a_paused_release_are_told_and_each_has_its_report(project, namespace, images, admin, tmp_path):
    project.configure(
        stack(
            namespace,
            shop=app(replicas=2, checks=CHECKS, strategy={"blueGreen": {}}),
            api=app(replicas=4, checks=CHECKS, strategy={"canary": {"steps": STEPS}}),
        )
    )
    reports = project.directory / "slipway-report"
    both = {"SLIPWAY_IMAGE_SHOP": images.v1, "SLIPWAY_IMAGE_API": images.v1}
    project.preview(**both).expect()
    assert not reports.exists()
    project.up(**both).expect()
    both = {"SLIPWAY_IMAGE_SHOP": images.v2, "SLIPWAY_IMAGE_API": images.v2, "CI_COMMIT_SHA": "c0ffee001122"}
    project.up(**both).expect()
    ledgers = {name: records(admin, namespace, name) for name in ("shop", "api")}

    seen = told("-n", namespace)
    shop, api = seen["shop"], seen["api"]
    first, second = (record.release.id for record in ledgers["shop"])
    assert (shop["phase"], shop["reasons"], shop["strategy"]) == ("Healthy", [], "blueGreen")
    assert shop["live"]["release"] == second
    assert shop["live"]["image"] == images.digest("v2")
    assert shop["live"]["commit"] == "c0ffee001122"
    assert 0 < shop["window"]["seconds"] <= 600
    tracks = [(t["release"], t["available"], t["wanted"], t["serves"], t["share"]) for t in shop["tracks"]]
    assert tracks == [(first, 2, 2, False, None), (second, 2, 2, True, 100.0)]
    assert [release["outcome"] for release in shop["history"]] == ["Healthy", "Healthy"]

    assert api["phase"] == "Paused"
    assert "SLIPWAY_ACTION=promote" in api["reasons"][0]
    assert (api["live"]["image"], api["underWay"]["image"]) == (images.digest("v1"), images.digest("v2"))
    assert api["canary"] == {"step": 2, "steps": 2, "weight": 33.3}
    assert [(t["track"], t["available"], t["share"]) for t in api["tracks"]] == [
        ("stable", 4, 66.7),
        ("canary", 2, 33.3),
    ]

    text = status("-n", namespace)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    for word in (second, "c0ffee00", "step 2 of 2", "a rollback is a switch for", "promote"):
        assert word in text
    assert "shop" not in status("-n", namespace, "api")

    assert sorted(path.name for path in reports.iterdir()) == ["staging-api.html", "staging-shop.html"]
    page = (reports / "staging-shop.html").read_text()
    assert f"<code>{second}</code> is live" in page
    for moment in ledgers["shop"][-1].timeline:
        assert happened(moment, ledgers["shop"][-1].steps) in page
    assert "waits to be promoted" in (reports / "staging-api.html").read_text()

    shutil.rmtree(reports)
    project.up(**both).expect()
    assert not reports.exists()  # there was nothing to do
    occupied = tmp_path / "a file"
    occupied.touch()
    back = project.up(**both | {"SLIPWAY_IMAGE_SHOP": images.v1}, SLIPWAY_REPORT_DIR=str(occupied)).expect()
    assert f"shop: no report in {occupied}: " in back.output
    assert told("-n", namespace)["shop"]["live"]["release"] == first


def test_a_live_track_that_lacks_a_pod_is_degraded_until_it_is_there(live, admin):
    namespace = live.namespace
    assert told("-n", namespace)["myapp"]["phase"] == "Healthy"
    quota = ResourceQuota(metadata=ObjectMeta(name="full", namespace=namespace), spec=ResourceQuotaSpec({"pods": "2"}))
    admin.create(quota)
    # The API server's admission hears of a quota a moment later, as the controller that counts does.
    wait_for(lambda: (admin.get(ResourceQuota, "full", namespace=namespace).to_dict().get("status") or {}).get("used"))
    admin.patch(Deployment.Scale, "myapp", {"spec": {"replicas": 3}}, namespace=namespace)
    seen = told("-n", namespace)["myapp"]
    assert (seen["phase"], seen["reasons"]) == ("Degraded", ["2 of 3 available"])
    assert "2 of 3 available" in status("-n", namespace)
    admin.patch(Deployment.Scale, "myapp", {"spec": {"replicas": 2}}, namespace=namespace)
    admin.delete(ResourceQuota, "full", namespace=namespace)
    wait_for(lambda: told("-n", namespace)["myapp"]["phase"] == "Healthy")


def wait_for(true, seconds=30):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.2)


def test_the_read_only_identity_of_a_preview_is_enough_and_must_say_where(live):
    kubeconfig = live.identity(*rights.preview(live.namespace))
    assert told("-n", live.namespace, KUBECONFIG=kubeconfig)["myapp"]["phase"] == "Healthy"
    refused = status(expect=1, KUBECONFIG=kubeconfig)
    assert refused.strip() == (
        "error: the kubeconfig's context names no namespace, and this identity may not look for workloads in all of "
        "them: say where with --namespace"
    )


def test_without_a_namespace_an_administrator_sees_every_one_that_has_workloads(live):
    found = json.loads(status("--json"))["workloads"]
    assert (live.namespace, "myapp") in [(view["namespace"], view["name"]) for view in found]


def test_the_namespace_of_the_kubeconfig_s_context_is_the_default(live, tmp_path):
    context = ["kubectl", "config", "set-context", "--current", f"--namespace={live.namespace}"]
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(os.environ["KUBECONFIG"], kubeconfig)
    subprocess.run(context, env={**os.environ, "KUBECONFIG": str(kubeconfig)}, check=True, capture_output=True)
    assert set(told(KUBECONFIG=str(kubeconfig))) == {"myapp"}


def test_what_cannot_be_read_is_told_in_one_line(live):
    namespace = live.namespace
    with closed() as nobody:
        away = status("-n", namespace, expect=1, KUBECONFIG=live.kubeconfig(server=f"https://{nobody}"))
    blind = status("-n", namespace, expect=1, KUBECONFIG=live.identity())
    absent = status("-n", "not-there", expect=1)
    unknown = status("-n", namespace, "other", expect=1)
    expired = status("-n", namespace, expect=1, KUBECONFIG=live.kubeconfig(user={"token": "not-a-token"}))
    for line, words in (
        (away, "does not answer"),
        (blind, "has no rights in it"),
        (absent, "namespace not-there does not exist"),
        (unknown, "there is myapp"),
        (expired, "401 Unauthorized"),
    ):
        assert words in line
        assert line.count("\n") == 1


def test_watching_shows_a_change_as_it_comes_and_ends_well_with_ctrl_c(live, admin):
    terminal, theirs = pty.openpty()
    command = [*COMMAND, "--watch", "-n", live.namespace]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    watching = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=environ,
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  ignored in the background
    )
    try:
        os.close(theirs)
        seen_until(terminal, "2/2")
        admin.patch(Deployment.Scale, "myapp", {"spec": {"replicas": 3}}, namespace=live.namespace)
        seen_until(terminal, "3/3")
        watching.send_signal(signal.SIGINT)
        rest = seen_until(terminal, "\x1b[?25h")  # the cursor is there again
        assert watching.wait(10) == 0
    finally:
        watching.kill()
        watching.wait(10)
    admin.patch(Deployment.Scale, "myapp", {"spec": {"replicas": 2}}, namespace=live.namespace)
    os.close(terminal)
    assert "Traceback" not in rest


def seen_until(terminal, words, seconds=60):
    """What came out until these words."""
    text, until = "", time.monotonic() + seconds
    while words not in text:
        assert time.monotonic() < until, text
        if select.select([terminal], [], [], 0.5)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text


def test_watching_without_a_terminal_is_refused_with_what_to_do_instead():
    assert "--watch needs a terminal: leave it out, or use --json" in status("--watch", expect=2)
