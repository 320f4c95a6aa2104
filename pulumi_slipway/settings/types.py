"""The scalar types of the settings: each says what it takes in words for people and as JSON Schema for editors.

Source of the syntax rules: Kubernetes' apimachinery validation (names, labels, quantities), the image reference grammar
of distribution/reference, GitLab's documentation of CI/CD variables. What is compared or counted becomes a number.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from lightkube.utils.quantity import parse_quantity
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

from pulumi_slipway.core.keys import PREFIX

Schema = dict[str, Any]


class Model(BaseModel):
    """A block of settings: camelCase in YAML, snake_case in Python, nothing unknown, unchangeable once read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        validate_default=True,
        hide_input_in_errors=True,
        defer_build=True,  # a block is built with the one that it is in, instead of once more by itself
    )


@dataclass(frozen=True, eq=False)  # by identity: a schema has no hash
class Rule:
    """Marks an `Annotated` type: `parse` raises ValueError("must be …") and never names the value it got."""

    parse: Callable[[object], object]
    schema: Schema

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, core: object, handler: object) -> Schema:
        return dict(self.schema)


def whole(least: int, most: int | None = None) -> Rule:
    """A whole number in a range; true and false are none, whatever Python says."""
    allowed = f"must be a whole number {_range(least, most, str)}"

    def parse(value: object) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value < least
            or (most is not None and value > most)
        ):
            raise ValueError(allowed)
        return value

    return Rule(parse, {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most}))


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"


def seconds_of(text: str) -> int:
    """Seconds of "90d", "8760h", "1h30m", "300s"; raises ValueError for anything else."""
    if not text or not re.fullmatch(DURATION, text, re.ASCII):
        raise ValueError("not a duration")
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"([0-9]+)([dhms])", text))


def duration_text(seconds: int) -> str:
    """The shortest way to write so many seconds with one unit: 7776000 is "90d", 90 is "90s"."""
    for unit, size in sorted(UNITS.items(), key=lambda item: -item[1]):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def duration(least: int, most: int) -> Rule:
    """A duration in a range of seconds, written as "300s", "10m", "90d" or as a number of seconds."""
    allowed = f'must be a duration like "300s", "10m", "12h" or "90d" {_range(least, most, duration_text)}'

    def parse(value: object) -> int:
        found: object
        try:
            found = seconds_of(value) if isinstance(value, str) else value
        except ValueError:
            raise ValueError(allowed) from None
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise ValueError(allowed)
        return found

    as_text = {"type": "string", "pattern": DURATION, "minLength": 2}
    return Rule(parse, {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, as_text]})


def _range(least: int, most: int | None, write: Callable[[int], str]) -> str:
    return f"of {write(least)} or more" if most is None else f"from {write(least)} to {write(most)}"


def text(pattern: str, allowed: str, most: int | None = None) -> Rule:
    """A string that the whole pattern matches."""

    def parse(value: object) -> str:
        if isinstance(value, bool | int | float):  # as `pulumi config set` makes them of digits, and of true
            raise ValueError(f"{allowed}, as a string: put it in quotes")
        if not isinstance(value, str) or (most and len(value) > most) or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(allowed)
        return value

    return Rule(parse, {"type": "string", "pattern": f"^({pattern})$"} | ({"maxLength": most} if most else {}))


# Any number that YAML could have made of an unquoted quantity; the pattern is that of Kubernetes' resource.Quantity.
_QUANTITY = r"[0-9]+([.][0-9]+)?([eE][0-9]+|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?"


def quantity(least: str, example: str) -> Rule:
    """A Kubernetes quantity; a bare number that YAML read as one is taken as written."""
    allowed = f"must be a Kubernetes quantity like {example} of {least} or more"

    def parse(value: object) -> str:
        written = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        if not isinstance(written, str) or not re.fullmatch(_QUANTITY, written, re.ASCII):
            raise ValueError(allowed)
        if amount(written) < amount(least):
            raise ValueError(allowed)
        return written

    return Rule(parse, {"anyOf": [{"type": "string", "pattern": f"^{_QUANTITY}$"}, {"type": "number"}]})


def amount(written: str) -> Decimal:
    """A quantity as a number, to compare; raises ValueError where it is none."""
    found = parse_quantity(written.replace("E", "e") if re.search(r"E[0-9]", written) else written)
    if found is None:
        raise ValueError("not a quantity")
    return found


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}([.]{_LABEL})*"
_HOST = r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?"
_COMPONENT = r"[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"({_HOST}/)?{_COMPONENT}(/{_COMPONENT})*"
_REFERENCE = rf"{_REPOSITORY}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
IMAGE_LENGTH = 512
_QUALIFIED = rf"({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"


def is_image(text: str) -> bool:
    """Whether it is an image's reference, by tag or digest."""
    return len(text) <= IMAGE_LENGTH and re.fullmatch(_REFERENCE, text, re.ASCII) is not None


OURS = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by")
"""Labels that Slipway sets itself: ownership and selection hang on them."""
RESERVED_PREFIXES = (PREFIX, "pulumi.com/")


def _plain_text(value: object) -> str:
    """A string; a whole number is taken as its digits, since `PORT: 3000` can mean one thing only."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("must be a string: put it in quotes (YAML reads an unquoted 1.10 as 1.1, true as a boolean)")


def _free_key(key: str) -> str:
    if key in OURS or key.startswith(RESERVED_PREFIXES):
        raise ValueError("is a key that Slipway sets itself; remove it")
    return key


def _certificates(value: object) -> str:
    if isinstance(value, str) and "-----BEGIN CERTIFICATE-----" in value and "PRIVATE KEY" not in value:
        return value
    raise ValueError('must be certificates in PEM form ("-----BEGIN CERTIFICATE-----" …), and no private key')


def _server(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#@]*)?", value, re.ASCII):
        return value
    raise ValueError("must be an https:// URL without a login, a query or a blank; TLS is always verified")


def maskable(value: SecretStr) -> SecretStr:
    """Lets a value through that GitLab can mask: 8 or more non-blank characters on one line.

    Source: docs.gitlab.com, "Mask a CI/CD variable", for variables that are not expanded (raw).
    """
    if not re.fullmatch(r"\S{8,}", value.get_secret_value()):
        raise ValueError("must be 8 or more characters on one line without a blank, else GitLab can not mask it")
    return value


def _not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("must not be empty")
    return value


Seconds = int
"""A duration, in seconds."""

Count = Annotated[int, whole(0)]
Positive = Annotated[int, whole(1)]
Port = Annotated[int, whole(1, 65535)]
DnsLabel = Annotated[str, text(_LABEL, "must be a DNS label: a-z, 0-9 and -, no - at the ends, 63 at most", 63)]
DnsName = Annotated[str, text(_SUBDOMAIN, "must be a DNS name: a-z, 0-9, - and dots, 253 at most", 253)]
HostName = Annotated[
    str,
    text(rf"([*][.])?{_SUBDOMAIN}", 'must be a host name in lower case, like "example.com" or "*.example.com"', 253),
]
WorkloadName = Annotated[
    str,
    text(
        r"[a-z]([-a-z0-9]*[a-z0-9])?",
        # "-canary", the hash of a ReplicaSet and that of a pod, 23 in all, must still fit into the 63 of a label.
        "must be a workload's name: a-z, 0-9 and -, a letter first, no - at the end, 40 at most",
        40,
    ),
]
VariableName = Annotated[str, text(_VARIABLE, "must be a variable's name: letters, digits and _, no digit first", 255)]
CREDENTIALS = (
    "GITLAB_TOKEN", "SLIPWAY_NOTE_TOKEN", "SLIPWAY_API_TOKEN", "KUBE_TOKEN", "KUBE_PREVIEW_TOKEN", "KUBECONFIG_FILE",
    "KUBECONFIG_PREVIEW_FILE", "CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", "DOCKER_AUTH_CONFIG",
)  # fmt: skip
"""Variables by which the pipeline signs in; not even a check's own program gets them."""
_PIPELINES = re.compile("|".join((*CREDENTIALS, "PULUMI_.*", "KUBECONFIG.*", "CI_JOB_TOKEN", "CI_REPOSITORY_URL")))


def _not_the_pipelines(name: str) -> str:
    """What opens the cluster, the state or GitLab goes to no pod and to no address of a check."""
    if _PIPELINES.fullmatch(name):
        raise ValueError("must be a variable of the application's: this one is the pipeline's own credential")
    return name


SecretVariable = Annotated[VariableName, AfterValidator(_not_the_pipelines)]
"""A variable of the job that holds a secret of the application's."""
ImageReference = Annotated[
    str,
    text(
        _REFERENCE, 'must be an image like "registry.example.com/group/app:1.2", by tag or @sha256 digest', IMAGE_LENGTH
    ),
]
Repository = Annotated[
    str, text(_REPOSITORY, 'must be a repository like "registry.example.com/group/app", without tag or digest', 255)
]
RegistryServer = Annotated[str, text(_HOST, 'must be a registry\'s host, like "registry.gitlab.com", without https://')]
Server = Annotated[str, Rule(_server, {"type": "string", "pattern": "^https://"})]
Certificates = Annotated[str, Rule(_certificates, {"type": "string", "pattern": "BEGIN CERTIFICATE"})]
Cpu = Annotated[str, quantity("1m", '"100m" or "2"')]
# "512" or "512m" are bytes and thousandths of a byte: a container's runtime needs some MiB itself.
Memory = Annotated[str, quantity("4Mi", '"128Mi" or "2Gi"')]
PlainText = Annotated[str, Rule(_plain_text, {"type": ["string", "integer"]})]
UrlPath = Annotated[str, text(r"/[^\s?#]*", 'must be a path that starts with "/", without a blank, ? or #')]
# "/" itself would make the whole image writable and empty.
Directory = Annotated[str, text(r"(/[^/\s:]+)+", 'must be an absolute directory like "/tmp", not "/"')]
LabelKey = Annotated[
    str, text(_QUALIFIED, 'must be a label\'s key like "team" or "example.com/team"', 317), AfterValidator(_free_key)
]
LabelValue = Annotated[
    str, text(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", "must be letters, digits, -, _ and dots, 63 at most", 63)
]
AnnotationKey = LabelKey
Flag = Annotated[bool, Field(strict=True)]
MaskableSecret = Annotated[SecretStr, AfterValidator(maskable)]
Secret = Annotated[SecretStr, AfterValidator(_not_empty)]
GitLabScope = Annotated[
    str, text(r"[A-Za-z0-9_/${}. *-]+", 'must be a GitLab environment scope like "production", "review/*" or "*"', 255)
]
RefName = Annotated[str, text(r"[^\s~^:?\[\\]+", 'must be a branch or tag, or a pattern like "release/*"', 255)]


def unique(items: tuple[str, ...]) -> tuple[str, ...]:
    """Lets a list through that names nothing twice."""
    twice = sorted({item for item in items if items.count(item) > 1})
    if twice:
        raise ValueError(f"must not name anything twice: {', '.join(twice)}")
    return items


Labels = Mapping[LabelKey, LabelValue]
Annotations = Mapping[AnnotationKey, PlainText]
