"""What the tests on the real engine and cluster share: a project, a namespace, images, load, an administrator."""

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Secret, Service
from tenacity import Retrying, stop_after_delay, wait_fixed

from sandbox import images as sample
from sandbox.load import Load
from tests.engine.admission import Admission
from tests.engine.harness import RATE, Project

NOT_IN_A_SANDBOX = (
    "the engine tests run inside a sandbox: python -m sandbox up --name test && "
    "python -m sandbox exec --name test -- .venv/bin/python -m pytest tests/engine"
)


@pytest.fixture(scope="session")
def sandbox() -> str:
    """Name of the sandbox that the tests run in."""
    name = os.environ.get("SLIPWAY_SANDBOX")
    if not name:
        pytest.fail(NOT_IN_A_SANDBOX, pytrace=False)
    return name


@pytest.fixture(scope="session")
def registry(sandbox: str) -> str:
    """The sandbox's registry, `host:port`; it asks for a login."""
    return os.environ["SLIPWAY_SANDBOX_REGISTRY"]


@pytest.fixture(scope="session")
def admin(sandbox: str) -> Client:
    """The cluster as its administrator."""
    return Client()


@dataclass(frozen=True)
class Images:
    """Tags of the sample app in the registry."""

    repository: str
    digests: dict[str, str]

    def __getattr__(self, version: str) -> str:
        """`images.v1` is the reference by tag."""
        if version not in self.digests:
            raise AttributeError(version)
        return f"{self.repository}:{version}"

    def digest(self, version: str) -> str:
        """The reference by digest, as it stands in a pod template."""
        return self.digests[version]


@pytest.fixture(scope="session")
def images(registry: str) -> Images:
    """v1, v2 and v3 are good; `crash` exits at once, `bad` answers 500 to everything, `never` is never ready,
    `slow` only after 4 s."""
    repository = f"{registry}/engine/app"
    built = {
        "v1": sample.build("v1", "blue"),
        "v2": sample.build("v2", "green"),
        "v3": sample.build("v3", "yellow"),
        "crash": sample.build("crash", "black", crash=True),
        "bad": sample.build("bad", "red", fail_share=1.0),
        "never": sample.build("never", "grey", start_delay=3600),
        "slow": sample.build("slow", "pink", start_delay=4),
    }
    return Images(repository, {version: sample.push(image, repository) for version, image in built.items()})


@pytest.fixture(scope="session")
def pull(admin: Client) -> Callable[[str], None]:
    """`pull(namespace)` puts the registry's pull secret there."""

    def put(namespace: str) -> None:
        login = (Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text()
        secret = Secret(
            metadata=ObjectMeta(name="gitlab-registry", namespace=namespace),
            type="kubernetes.io/dockerconfigjson",
            stringData={".dockerconfigjson": login},
        )
        admin.create(secret)

    return put


@pytest.fixture
def namespace(admin: Client, pull: Callable[[str], None]) -> Iterator[str]:
    """A namespace of the test's own, as the access stack makes them; its end is not waited for."""
    name = f"t-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    admin.create(Namespace(metadata=ObjectMeta(name=name, labels=labels)))
    pull(name)
    yield name
    admin.delete(Namespace, name)


@pytest.fixture
def project(sandbox: str, tmp_path: Path) -> Project:
    """A Pulumi project with a state of its own, run as administrator."""
    return Project(tmp_path)


@pytest.fixture
def admission(admin: Client, namespace: str) -> Iterator[Admission]:
    """What the API server refuses in the namespace."""
    made = Admission(admin, namespace)
    yield made
    made.allow()


@pytest.fixture
def load(admin: Client, namespace: str) -> Callable[..., Load]:
    """`with load("myapp") as run:` sends new connections to the Service, RATE a second, until the block ends.

    It begins when the Service answers: the node needs a moment to hear of a new one, which is no release's doing.
    """

    def start(service: str, rate: float = RATE, duration: float = 600) -> Load:
        found = admin.get(Service, service, namespace=namespace)
        assert found.spec is not None
        assert found.spec.ports
        url = f"http://{found.spec.clusterIP}:{found.spec.ports[0].port}/"
        for attempt in Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.1), reraise=True):
            with attempt:
                httpx2.get(url, timeout=2).raise_for_status()
        return Load(url, rate=rate, duration=duration)

    return start
