"""What a run is asked to bring: the image, by its digest, and the values of `secretEnv`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from pulumi_slipway.core.action import IMAGE, variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Record, Release
from pulumi_slipway.release import image, secret_env
from pulumi_slipway.release.commits import lacking
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import World
from pulumi_slipway.release.promotion import REGISTRY, promote
from pulumi_slipway.settings import Action, Run


def wanted_image(
    subject: Subject,
    world: World,
    run: Run,
    environment: Mapping[str, str],
    *,
    preview: bool,
    warn: Callable[[str], None],
    tell: Callable[[str], None],
    promoted: Sequence[Record] | None,
    confirmed: bool,
) -> str:
    """The image to run: SLIPWAY_IMAGE, else the settings' or what may be promoted, else what is live; as a digest."""
    live = world.observed.live_image()
    asked = run.images.get(subject.name) or subject.workload.image
    rule = subject.environment.promote_from
    if rule and promoted is not None and run.action is Action.DEPLOY:
        if asked is not None:
            asked = _resolved(asked, environment, preview=preview, warn=warn)
        head = "" if preview else run.provenance.get("commit", "")  # a merge request's is nowhere yet
        lacks = lacking(head, lambda line: tell(f"{subject.name}: {line}"))
        now = datetime.now(UTC)
        own = [environment.get(REGISTRY, ""), *subject.environment.repositories]
        choice = promote(
            subject.name,
            rule,
            promoted,
            world.observed,
            asked,
            now,
            confirmed=confirmed,
            lacks=lacks,
            repositories=[*filter(None, own)],
        )
        tell(f"{subject.name}: {choice.why}")
        asked = choice.image
    wanted = asked or live or world.image_before
    if wanted is None:
        raise UserError(
            f"slipway:workloads.{subject.name}.image: nothing to deploy: no image is given and none is live: "
            f"set {variable(subject.name)} in the job ({IMAGE} where it is the only workload), or `image` in the stack "
            "file"
        )
    resolved = wanted == live and "@" in wanted  # what kubectl or Helm made may run a tag
    if resolved or run.action is not Action.DEPLOY:
        return live or wanted
    return _resolved(wanted, environment, preview=preview, warn=warn)


def _resolved(wanted: str, environment: Mapping[str, str], *, preview: bool, warn: Callable[[str], None]) -> str:
    try:
        return image.resolve(wanted, environment)
    except image.ImageUnresolved as error:
        if not preview:
            raise
        warn(f"{error}; this preview shows it as given")
        return wanted


def wanted_secret(
    subject: Subject, world: World, environment: Mapping[str, str], *, preview: bool, warn: Callable[[str], None]
) -> secret_env.Content | None:
    """The Secret of `secretEnv`; None where there is none. A preview that has not the values takes them as they are."""
    if not subject.workload.secret_env:
        return None
    values, missing = secret_env.values(subject.workload.secret_env, environment)
    if not missing:
        return secret_env.content(subject, values)
    text = (
        f"slipway:workloads.{subject.name}.secretEnv: {', '.join(missing)} not in the job's environment: "
        "add the variable in GitLab (Settings > CI/CD > Variables) for this environment"
    )
    live = world.observed.tracks.get(world.observed.home) if world.observed.home else None
    held = Release.of(live.template).secret_env if live else None
    if not preview:
        raise UserError(text)
    warn(text + "; this preview takes the values to be unchanged")
    return secret_env.Content(held or f"{subject.name}-env-unknown", None)
