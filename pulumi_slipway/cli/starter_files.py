"""The files of a user's project, made from the templates in `starter/`: for `slipway init`, and for `pulumi new`."""

from dataclasses import dataclass
from importlib.resources import files
from string import Template
from textwrap import indent

from pulumi_slipway.version import VERSION

STACKS = ("access", "staging", "production", "review")
CI_FILE = ".gitlab-ci.yml"
NAMES = (
    "Pulumi.yaml", "__main__.py", *(f"Pulumi.{stack}.yaml" for stack in STACKS),
    "requirements.txt", CI_FILE, ".gitignore",
)  # fmt: skip

COMPONENTS = "$CI_SERVER_FQDN/platform/slipway"
"""Where the CI components are, as `include: component` writes it: on the same GitLab, in `platform/slipway`."""

CANARY = """\
strategy:
  canary:
    steps: [{replicas: 1, pause: 5m}, {weight: 50, pause: 5m}] # a step without `pause` waits for a promote
"""
BLUE_GREEN = """\
strategy:
  blueGreen: # users are switched at once, and back by a rollback while the old track is warm
    rollbackWindow: 1h
"""
STRATEGIES = {"rolling": "", "blueGreen": BLUE_GREEN, "canary": CANARY}
"""As a stack file names them, and the lines that choose them; rolling is what a workload has without any."""

_SHOWN_IN_STAGING = CANARY.replace(
    ":", ": # without it `rolling`: pod by pod, the checks once all serve; blueGreen: see Pulumi.production.yaml", 1
)
_SHOWN_IN_PRODUCTION = (
    BLUE_GREEN.replace(
        ":", ": # without it `rolling`: pod by pod, the checks once all serve; canary: see Pulumi.staging.yaml", 1
    )
    + "    autoPromote: false # the run ends Paused before the switch, until SLIPWAY_ACTION=promote\n"
    + "    postPromotion: [smoke] # after the switch; all others before it\n"
)

_PULUMI_NEW = """
template:
  displayName: Slipway
  description: GitLab to Kubernetes - deploy identities and secrets, environments, releases that lose no request
  # Structured settings have no prompts: the stack files that come along are the form to fill in.
  quickstart: |
    Edit Pulumi.access.yaml (your GitLab project), Pulumi.staging.yaml and Pulumi.production.yaml (your workloads).
    As an administrator, with KUBECONFIG, GITLAB_BASE_URL and GITLAB_TOKEN set:
      pulumi stack select --create access && pulumi up --stack access
    Then commit and push: the pipeline does the rest. For your editor: slipway schema > slipway.schema.json"""


@dataclass(frozen=True)
class Answers:
    """What a project is asked for; every text is taken as it is (cli/init.py checks what people give)."""

    name: str
    workload: str
    gitlab_project: str
    description: str
    domain: str = "example.com"
    namespace_prefix: str = ""
    """Before the names of the environments, which are else the namespaces' names."""
    strategy: str = "rolling"
    """A key of STRATEGIES."""
    components: str = COMPONENTS
    directory: str = "."
    """Where the Pulumi project is, from the repository's root."""


PULUMI_NEW = Answers("${PROJECT}", "myapp", "my-group/myapp", "${DESCRIPTION}")
"""What `pulumi new` fills in itself. In YAML it puts the end of a line after it (3.276), so it is nowhere else."""


def render(answers: Answers, *, template: bool = False) -> dict[str, str]:
    """The files' texts by their names in NAMES; with `template` as a template of `pulumi new`."""
    chosen = STRATEGIES[answers.strategy]
    known = {
        **vars(answers),
        "version": VERSION,
        "template": _PULUMI_NEW if template else "",
        "directory": "" if answers.directory == "." else f"\n      directory: {answers.directory}",
        "off": "" if chosen else "# ",  # a canary without a check would need Prometheus
        "staging_strategy": _block(chosen) if chosen else _block(_SHOWN_IN_STAGING, "# "),
        "production_strategy": _block(chosen) if chosen else _block(_SHOWN_IN_PRODUCTION, "# "),
    }
    for stack in STACKS[1:]:
        line = f"namespace: {answers.namespace_prefix}{stack}"
        known[stack] = f"\n    {line}" if answers.namespace_prefix else ""
        known[f"access_{stack}"] = f"\n        {line}" if answers.namespace_prefix else ""
    folder = files("pulumi_slipway.cli") / "starter"
    return {name: Template((folder / name).read_text("utf-8")).substitute(known) for name in NAMES}


def _block(text: str, comment: str = "") -> str:
    return indent(text.rstrip("\n"), f"      {comment}")
