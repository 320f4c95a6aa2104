"""Whatever parses what others wrote: any input is read, or refused as an error for people, and soon.

`make soak` gives each 50,000 inputs; `make test` a few hundred, the same ones each time.
"""

import base64
import gzip
import json
import os
import time
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from pulumi_slipway.cli.render import as_json
from pulumi_slipway.cli.render import page as table
from pulumi_slipway.cli.workloads import workloads
from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.foreign import is_plain, shown
from pulumi_slipway.core.model import Phase, TrackName
from pulumi_slipway.pipeline import engine, locks, snapshot, stack_files
from pulumi_slipway.pipeline.digest import Digest, digest
from pulumi_slipway.pipeline.note import body
from pulumi_slipway.release import ledger
from pulumi_slipway.release.image import resolve, split
from pulumi_slipway.release.observe import observe
from pulumi_slipway.release.promotion import candidates, foreign
from pulumi_slipway.release.registry_login import login
from pulumi_slipway.release.why import Looked, why_pod
from pulumi_slipway.report.page import page
from pulumi_slipway.settings import parse
from pulumi_slipway.settings.source import Source
from pulumi_slipway.settings.types import is_image
from pulumi_slipway.source.definition import define
from pulumi_slipway.source.documents import documents
from pulumi_slipway.source.rendered import Rendered
from tests.attacks.test_attack_forged_ledger import NOW, SUBJECT, V1, V2, healthy, namespace
from tests.unit.mutation import cut, spoilt, text, value
from tests.wrong_sources import GOOD

SOAK = bool(os.environ.get("SLIPWAY_SOAK"))
INPUTS = 50_000 if SOAK else 300
SECONDS = 10.0
"""For one input, on a machine that others use too."""

ENTRIES = ledger.encode(healthy(V1, V2))
FIELDS = {key: json.loads(it) for key, it in ENTRIES.items()}
OBJECTS = [it for it in yaml.safe_load_all(GOOD) if it]
SETTINGS = {
    name: yaml.safe_load(Path(f"Pulumi.{name}.yaml").read_text())["config"]
    for name in ("staging", "production", "access", "review")
}
BLOCKS = {key.removeprefix("slipway:"): it for name in SETTINGS.values() for key, it in name.items()}
STATE = {
    "version": 3,
    "deployment": {
        "resources": [
            {
                "urn": "urn:pulumi:a::b::pulumi:pulumi:Stack::b-a",
                "type": "pulumi:pulumi:Stack",
                "outputs": {"workloads": {}},
            },
            {"urn": "urn:p", "type": "pulumi:providers:kubernetes", "inputs": {"__internal": {"version": "4"}}},
        ]
    },
}
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443", "certificate-authority-data": "LS0t"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "apps"}}],
    "current-context": "c",
}
POD = {
    "metadata": {"name": "web-1"},
    "spec": {"containers": [{"name": "app", "readinessProbe": {"httpGet": {"port": 80}}}], "readinessGates": []},
    "status": {
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}],
        "containerStatuses": [
            {
                "name": "app",
                "ready": False,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "last words"}},
            }
        ],
    },
}
PREVIEW = {
    "steps": [
        {
            "op": "update",
            "urn": "urn:pulumi:a::b::kubernetes:apps/v1:Deployment::web",
            "detailedDiff": {"spec.replicas": {"kind": "update"}, "spec.template.spec.containers[0].image": {}},
            "oldState": {"inputs": {"spec": {"replicas": 1}}},
            "newState": {"inputs": {"spec": {"replicas": 2}}},
        }
    ],
    "diagnostics": [{"message": "warning: x", "severity": "warning"}],
}
REQUIRED = {"metadata", "name", "type", "status", "op", "urn"}
LOCKED = (
    "error: the stack is currently locked by 1 lock(s).\n  file:///s/.pulumi/locks/x.json: created by root@host (pid 7)"
    " at 2026-01-01T00:00:00Z\n"
)


def a_ledger(random: Random) -> None:
    names = {key: key if random.random() < 0.8 else text(random) for key in FIELDS}
    data = {names[key]: _json(spoilt(it, random), random) for key, it in FIELDS.items()}
    records = ledger.decode(data)
    candidates(records, NOW)
    for record in records:
        record.release.pod_template(TrackName.STABLE)
    if records:
        page("production", "web", records, NOW)
        ledger.decode(ledger.encode(records))


def a_namespace(random: Random) -> None:
    """What a namespace holds, as far as the API server lets anybody write anything."""
    found = namespace(healthy(V1, V2), V2, (V2, V1))
    for kind, name in (("Deployment", "web"), ("ConfigMap", "web-releases")):
        metadata = found[kind][name]["metadata"]
        for field in ("annotations", "labels")[: random.choice((1, 1, 1, 2))]:
            made = spoilt({**(metadata.get(field) or {}), "a": "b"}, random, text)
            metadata[field] = {
                key: it for key, it in (made if isinstance(made, dict) else {}).items() if isinstance(it, str)
            }
    found["ConfigMap"]["web-releases"]["data"] = {key: _json(spoilt(it, random), random) for key, it in FIELDS.items()}
    world = observe(found, SUBJECT, NOW)
    assert world.observed.live_image() in (None, V1.image, V2.image)
    views = workloads({"production": {"Service": {}, **found}}, NOW)
    Console(file=StringIO(), width=100).print(table(views, ["production"]))
    json.dumps(as_json(views, NOW))


def manifests_of_a_source(random: Random) -> None:
    found = documents("source", Path("web.yaml"), _utf8(cut(GOOD, random)))
    for one in found:
        assert yaml.compose(one.text, yaml.CSafeLoader)


def what_a_chart_renders(random: Random) -> None:
    made = json.loads(_utf8(json.dumps(spoilt(OBJECTS, random), ensure_ascii=False)))
    rendered = [
        Rendered(it, "chart") for it in (made if isinstance(made, list) else []) if isinstance(it, dict) and _named(it)
    ]
    found = define("web", Source(manifests="x"), rendered, "apps", 3)
    found.pod_template("r/app@sha256:" + "1" * 64, None)


def the_reference_of_an_image(random: Random) -> None:
    image = cut(V1.image, random)
    if is_image(image):
        repository, _, _ = split(image)
        assert is_plain(image)
        assert repository
    foreign(image, [text(random)])


def what_a_registry_answers(random: Random) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        headers = {"www-authenticate": f'Bearer realm="{random.choice((_header(random), "https://r/token"))}"'}
        if random.random() < 0.2:
            headers["docker-content-digest"] = _header(random)
        content = _json(spoilt({"schemaVersion": 2, "token": "t"}, random), random).encode(errors="replace")
        return httpx2.Response(random.choice((200, 200, 200, 301, 401, 404, 500)), headers=headers, content=content)

    found = resolve("registry.example.com/app:v1", {"DOCKER_CONFIG": "/nowhere"}, httpx2.MockTransport(answer))
    assert is_image(found)


def the_config_of_docker(random: Random) -> None:
    auths = {"auths": {"r.example.com": {"auth": "YTpi"}}, "credHelpers": {"b": "none-such"}}
    given = {"DOCKER_CONFIG": "/nowhere", "DOCKER_AUTH_CONFIG": _json(spoilt(auths, random), random)}
    login("r.example.com", given)


def the_settings(random: Random) -> None:
    parse(spoilt(BLOCKS, random), {}, file="Pulumi.x.yaml")


def the_variables_of_a_job(random: Random) -> None:
    names = [f"SLIPWAY_{it}" for it in ("IMAGE", "IMAGE_MYAPP", "ACTION", "WORKLOADS", "RELEASE", "TAKE_OVER", "IMAG")]
    given = {name: text(random) for name in names if random.random() < 0.2}
    found = parse({"environment": {"name": "a"}, "workloads": {"myapp": {}}}, given, file="x")
    for image in found.run.images.values():
        assert is_image(image)


def a_stack_file(random: Random) -> None:
    folder = Path(os.environ["SLIPWAY_FUZZ"])
    content = cut(yaml.safe_dump({"config": SETTINGS["staging"]}), random)
    (folder / "Pulumi.staging.yaml").write_text(content, errors="replace")
    file = stack_files.load(folder, "staging")
    stack_files.environment(file)
    stack_files.workloads(file)
    stack_files.repositories(file)
    stack_files.for_preview(file)


def what_a_deployment_left(random: Random) -> None:
    content = bytearray(gzip.compress(_json(spoilt(STATE, random), random).encode(errors="replace"), 1))
    if random.random() < 0.3:
        content[random.randrange(len(content))] = random.randrange(256)
    data = base64.b64encode(bytes(content)).decode()
    given = SimpleNamespace(binaryData={snapshot.KEY: data if random.random() < 0.9 else text(random)})
    found = snapshot.read(SimpleNamespace(get=lambda *_, **__: given), "apps", "staging")
    assert found is None or found["deployment"]["resources"] is not None


def a_kubeconfig(random: Random) -> None:
    cluster.connect(given=yaml.safe_dump(spoilt(KUBECONFIG, random)) + "\n")


def what_a_pod_says(random: Random) -> None:
    client: Any = SimpleNamespace(list=lambda *_, **__: [], log=lambda *_, **__: [text(random)])
    pod = spoilt(POD, random, text)
    if _typed(pod, POD):
        reason = why_pod(Looked(client, "apps", pod))
        assert reason is None or is_plain(str(reason))


def what_the_engine_says(random: Random) -> None:
    said = cut(LOCKED, random)
    for lock in locks.held(said):
        lock.told(datetime.now(UTC))
    assert is_plain(shown(engine.reason(said)))


def what_a_preview_says(random: Random) -> None:
    said = spoilt(PREVIEW, random, text)
    found = digest("staging", said if _typed(said, PREVIEW) else PREVIEW)
    data = json.loads(json.dumps(spoilt(found.as_data(), random)))  # as another job's artifact
    assert body([Digest.of_data(data), found], text(random), text(random))


def _json(document: Any, random: Random) -> str:
    content = json.dumps(document)
    return cut(content, random) if random.random() < 0.2 else content


def _header(random: Random) -> str:
    return text(random).encode("ascii", "ignore").decode().translate(dict.fromkeys((*range(32), 127)))


def _named(it: dict[str, Any]) -> bool:
    """What a chart renders has gone through the provider: an object with kind and name."""
    metadata = it.get("metadata")
    return all(isinstance(it.get(key), str) for key in ("apiVersion", "kind")) and isinstance(metadata, dict)


def _utf8(content: str) -> str:
    """What a file or the engine's protocol can hold."""
    return content.encode(errors="replace").decode()


def _typed(one: Any, other: Any) -> bool:
    """Whether it has the types that the API server and the engine give: texts may be any."""
    if isinstance(other, dict):
        there = isinstance(one, dict) and REQUIRED & other.keys() <= one.keys()
        return there and all(key not in one or _typed(one[key], it) for key, it in other.items())
    if isinstance(other, list):
        return isinstance(one, list) and all(_typed(it, other[0]) for it in one) if other else isinstance(one, list)
    return isinstance(one, type(other))


PARSERS = (
    *(a_ledger, a_namespace, manifests_of_a_source, what_a_chart_renders, the_reference_of_an_image),
    *(what_a_registry_answers, the_config_of_docker, the_settings, the_variables_of_a_job, a_stack_file),
    *(what_a_deployment_left, a_kubeconfig, what_a_pod_says, what_the_engine_says, what_a_preview_says),
)


@pytest.mark.timeout(0 if SOAK else 900)
@pytest.mark.parametrize("parser", PARSERS, ids=lambda it: it.__name__)
@settings(max_examples=INPUTS, suppress_health_check=list(HealthCheck), database=None)
@given(seed=st.integers(0, 2**64 - 1))
def test_any_input_is_read_or_refused_in_words_and_soon(parser, seed, tmp_path_factory):
    os.environ.setdefault("SLIPWAY_FUZZ", str(tmp_path_factory.mktemp("fuzz")))
    begun, refused = time.monotonic(), "nothing"
    try:
        parser(Random(seed))
    except UserError as error:
        refused = str(error)
    assert refused.strip()
    assert time.monotonic() - begun < SECONDS


def test_a_fuzzer_spoils_what_it_is_given():
    random = Random(1)
    made = [spoilt(FIELDS, random) for _ in range(100)]
    assert sum(it != FIELDS for it in made) > 80
    assert value(random) != value(random) or value(random) != value(random)
    assert Phase.HEALTHY in str(FIELDS)
