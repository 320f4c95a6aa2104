"""Tells others what a job has brought about. It neither holds nor fails the job: who does not answer is a warning."""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
from pydantic import TypeAdapter, ValidationError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Record
from pulumi_slipway.pipeline import engine, ledgers, note, stack_files
from pulumi_slipway.pipeline.project import NOTE_TOKEN, connect
from pulumi_slipway.report import notice
from pulumi_slipway.report.notice import News
from pulumi_slipway.settings.notices import Notice
from pulumi_slipway.settings.types import CREDENTIALS

SECONDS, ATTEMPTS = 5.0, 3
"""Of one attempt, and how many there are."""
ALL_SECONDS = 20.0
"""The job waits no longer, whoever is still being told."""
_notices = TypeAdapter[tuple[Notice, ...]](tuple[Notice, ...])


class NotTold(Exception):
    """A receiver does not take it; why, without its address, which is a secret."""


@dataclass(frozen=True)
class Told:
    """The ledgers of an environment's workloads, as they were before the run."""

    environment: str
    namespace: str
    before: Mapping[str, Sequence[Record]]


@contextmanager
def of(file: stack_files.Text, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Tells at the end of the block what became of the releases within it, where the stack file says to whom."""
    where, notices = stack_files.environment(file), configured(file)
    if where is None or not notices:
        yield
        return
    before = _ledgers(file, where[1])
    try:
        yield
    finally:
        after = _ledgers(file, where[1]) if before is not None else None
        if before is not None and after is not None:
            found = [notice.news(where[0], name, before[name], after[name]) for name in after]
            hidden = secrets(file, notices, environ)
            tell([notice.masked(it, hidden) for it in found if it], notices, environ)


def configured(file: stack_files.Text) -> tuple[Notice, ...]:
    """The receivers; none where the block is wrong, which the program tells with its place."""
    block = file["config"].get(stack_files.ENVIRONMENT)
    try:
        return _notices.validate_python((block.get("notices") or ()) if isinstance(block, dict) else ())
    except ValidationError:
        return ()


def secrets(file: stack_files.Text, notices: Sequence[Notice], environ: Mapping[str, str]) -> list[str]:
    """Values of the job's variables that hold secrets; what has fewer than eight characters GitLab masks neither."""
    named = {*CREDENTIALS, "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "CI_JOB_TOKEN"}
    named |= {name for it in notices for name in (it.url_from, it.secret_from) if name}
    blocks = file["config"].get(stack_files.WORKLOADS)
    for workload in blocks.values() if isinstance(blocks, dict) else ():
        given = workload.get("secretEnv") if isinstance(workload, dict) else None
        for source in given.values() if isinstance(given, dict) else ():
            if isinstance(source, dict):
                named.add(str(source.get("fromEnv", "")))
    values = {environ[name] for name in named if len(environ.get(name, "")) >= 8}
    return sorted(values, key=len, reverse=True)


def tell(found: Sequence[News], notices: Sequence[Notice], environ: Mapping[str, str]) -> None:
    """Tells each receiver what it wants to hear of, side by side."""
    threads = []
    for number, receiver in enumerate(notices):
        wanted = [it for it in found if it.event in receiver.events]
        if wanted:
            arguments = (f"{stack_files.ENVIRONMENT}.notices[{number}] ({receiver.to})", receiver, wanted, environ)
            threads.append(threading.Thread(target=_tell, args=arguments, daemon=True, name=arguments[0]))
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + ALL_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            engine.say(f"warning: {thread.name}: has not taken the notice after {ALL_SECONDS:g} s; the release stands")


def _tell(name: str, receiver: Notice, found: Sequence[News], environ: Mapping[str, str]) -> None:
    try:
        for it in found:
            if receiver.to == "mergeRequest":
                _put_note(it, receiver.template, environ)
            else:
                _post(it, receiver, environ)
    except (NotTold, UserError) as error:
        engine.say(f"warning: {name}: not told of release {found[0].release}: {error}; the release stands")


def _put_note(found: News, template: str | None, environ: Mapping[str, str]) -> None:
    project = connect(NOTE_TOKEN, environ)
    if project is None:
        raise NotTold(f"{NOTE_TOKEN} is not set")
    if not found.commit:
        return
    mark = f"<!-- slipway-release {found.environment} {found.workload} -->"
    for number in project.merged_by(found.commit):
        project.put_note(number, mark, f"{mark}\n{notice.text(found, template, note.plain)}")


def _post(found: News, receiver: Notice, environ: Mapping[str, str]) -> None:
    url = environ.get(receiver.url_from or "", "").strip()
    if not url.startswith(("https://", "http://")):
        raise NotTold(f"{receiver.url_from} holds no address (https://…)")
    now = datetime.now(UTC)
    match receiver.to:
        case "slack":
            body: Mapping[str, object] = notice.slack(found, receiver.template)
        case "teams":
            body = notice.teams(found, receiver.template)
        case _:
            body = notice.payload(found, receiver.template, now.isoformat(timespec="milliseconds"))
    content = json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    if receiver.to == "webhook":
        headers |= signed(content, environ.get(receiver.secret_from or "", ""), str(uuid.uuid4()), now)
        if receiver.secret_from and not environ.get(receiver.secret_from):
            raise NotTold(f"{receiver.secret_from} is not set, and it is not sent without a signature")
    again = Retrying(
        stop=stop_after_attempt(ATTEMPTS), wait=wait_fixed(1), retry=retry_if_exception(_may_pass), reraise=True
    )
    again(_send, url, content, headers)


def signed(content: bytes, secret: str, identity: str, at: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks (standardwebhooks.com); no signature where there is no secret.

    `secret`: any text, or `whsec_` and what it is in base64. One identity for all attempts, by which a receiver knows
    what it has had before.
    """
    seconds = str(int(at.timestamp()))
    headers = {"webhook-id": identity, "webhook-timestamp": seconds}
    if not secret:
        return headers
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise NotTold("its secret begins with whsec_ and is no base64") from None
    digest = hmac.digest(key, b".".join((identity.encode(), seconds.encode(), content)), hashlib.sha256)
    return {**headers, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def _send(url: str, content: bytes, headers: Mapping[str, str]) -> None:
    try:
        with httpx2.stream("POST", url, content=content, headers=dict(headers), timeout=SECONDS) as answer:
            status = answer.status_code  # what it says is not read
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise NotTold(f"it does not answer ({type(error).__name__})") from None  # the text may hold the address
    if status >= 300:
        raise _Refused(status)


class _Refused(NotTold):
    def __init__(self, status: int) -> None:
        super().__init__(f"it answers {status}")
        self.status = status


def _may_pass(error: BaseException) -> bool:
    refused = isinstance(error, _Refused) and error.status < 500 and error.status != 429
    return isinstance(error, NotTold) and not refused


def _ledgers(file: stack_files.Text, namespace: str) -> dict[str, tuple[Record, ...]] | None:
    try:
        client = cluster.connect()
        return {name: ledgers.records(client, name, namespace) for name in stack_files.workloads(file)}
    except UserError as error:
        engine.say(f"warning: nobody is told of what this run does: {' '.join(str(error).split())}")
        return None
