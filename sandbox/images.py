"""Images without a Docker engine: the sample app in any version, and the pause image of every pod.

The app is compiled once; its versions differ only in the image's environment, as with the ENV lines of
examples/app/Dockerfile. So one more version costs a push of two small files.

    python -m sandbox.images push --version v1 --colour blue --repository 10.89.0.1:5000/demo/app
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.gobuild import architecture, go_binary
from sandbox.oci import ImageConfig, write_archive, write_layout
from sandbox.paths import cache_dir

APP_SOURCE = Path(__file__).parent.parent / "examples" / "app"
APP_PORT = 3000
PAUSE_SOURCE = Path(__file__).parent / "pause"
PAUSE_NAME = "registry.k8s.io/pause:3.10"


class ImageError(SandboxError):
    """An image could not be built or pushed; the message says which, and what to do."""


@dataclass(frozen=True)
class Image:
    """An image on this disk: an OCI layout, and the digest that it will have in every registry."""

    version: str
    layout: Path
    digest: str


def build(
    version: str,
    colour: str,
    *,
    fail_share: float = 0.0,
    latency: float = 0.0,
    crash: bool = False,
    start_delay: float = 0.0,
    fail_switch: bool = False,
) -> Image:
    """The sample app as `version`; the same arguments give the same digest.

    `fail_share` (0..1) of its requests are answered 500, each answer takes `latency` seconds, `crash` makes it exit at
    once, it is ready after `start_delay` seconds, `fail_switch` allows `POST /fail?share=…` at run time.
    """
    if not 0 <= fail_share <= 1:
        raise ImageError(f"fail share {fail_share}: must be between 0 and 1")
    for name, seconds in (("latency", latency), ("start delay", start_delay)):
        if seconds < 0:
            raise ImageError(f"{name} {seconds}: must not be negative")
    env = {"VERSION": version, "COLOUR": colour}
    # Left out at their defaults, so that the image says only what is special about it.
    env |= {"FAIL_SHARE": f"{fail_share:g}"} if fail_share else {}
    env |= {"LATENCY": f"{latency:g}s"} if latency else {}
    env |= {"CRASH": "true"} if crash else {}
    env |= {"START_DELAY": f"{start_delay:g}s"} if start_delay else {}
    env |= {"FAIL_SWITCH": "true"} if fail_switch else {}
    labels = {
        "org.opencontainers.image.title": "slipway-sample-app",
        "org.opencontainers.image.description": "Slipway's sample application",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": version,
    }
    config = ImageConfig(architecture(), env, labels, APP_PORT)
    return _image(version, APP_SOURCE, "app", config)


def push(image: Image, repository: str, tag: str | None = None) -> str:
    """Pushes `image` to `repository` (`host:port/path`) and returns `repository@sha256:…`.

    The tag is the image's version unless given. The password is read by skopeo from `$DOCKER_CONFIG/config.json`,
    the registry's certificate is checked against `$SSL_CERT_FILE`.
    """
    destination = f"{repository}:{tag or image.version}"
    command = ["skopeo", "copy", "--quiet", "--preserve-digests", "--retry-times", "2"]
    auth = _auth_file()
    if auth is not None:
        command += ["--dest-authfile", str(auth)]
    command += [f"oci:{image.layout}", f"docker://{destination}"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        raise ImageError("`skopeo` is not on PATH; install it (Debian: apt-get install skopeo)") from None
    except subprocess.TimeoutExpired:
        raise ImageError(f"{destination}: no end of the push after 60 s; is the registry up?") from None
    if run.returncode != 0:
        raise ImageError(
            f"{destination}: push failed: {_reason(run.stderr)}; check the repository's name, the login in "
            "$DOCKER_CONFIG/config.json and the certificates in $SSL_CERT_FILE"
        )
    return f"{repository}@{image.digest}"


def pause_archive(path: Path) -> Path:
    """Writes the pause image to `path`, for `ctr -n k8s.io images import`; its name there is PAUSE_NAME."""
    image = _image("3.10", PAUSE_SOURCE, "pause", ImageConfig(architecture()), PAUSE_NAME)
    write_archive(image.layout, path)
    return path


def _image(version: str, source: Path, name: str, config: ImageConfig, reference: str | None = None) -> Image:
    binary = go_binary(source, name)
    identity = json.dumps([binary.name, dict(config.env), dict(config.labels), reference], sort_keys=True)
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    layout = cache_dir() / "images" / f"{name}-{key}"
    return Image(version, layout, write_layout(layout, binary, f"/{name}", config, reference))


def _auth_file() -> Path | None:
    """Docker's own file. Debian 12's skopeo doesn't look at $DOCKER_CONFIG by itself, so it is named to it."""
    directory = os.environ.get("DOCKER_CONFIG")
    return Path(directory) / "config.json" if directory else None


def _reason(stderr: str) -> str:
    """The cause out of skopeo's last log line, `time=… level=fatal msg="step: step: cause"`, on one line."""
    lines = stderr.strip().splitlines() or ["skopeo said nothing"]
    message = lines[-1].partition('msg="')[2].rstrip('"') or lines[-1]
    return re.sub(r"^.*? at destination: ", "", message).replace('\\"', '"')


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.images", description="the sample app's images")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("push", help="build a version, push it, print its digest reference")
    command.add_argument("--version", required=True)
    command.add_argument("--colour", required=True, help="any CSS colour name")
    command.add_argument("--repository", required=True, help="host:port/path, without a tag")
    command.add_argument("--tag", help="default: the version")
    command.add_argument("--fail-share", type=float, default=0.0, help="share of requests answered 500, 0 to 1")
    command.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes")
    command.add_argument("--crash", action="store_true", help="exit at once at the start")
    command.add_argument("--start-delay", type=float, default=0.0, help="seconds until it is ready")
    command.add_argument("--fail-switch", action="store_true", help="allow POST /fail?share=… at run time")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit status is 1 with one line on stderr when something is wrong."""
    args = _arguments().parse_args(arguments)
    try:
        image = build(
            args.version,
            args.colour,
            fail_share=args.fail_share,
            latency=args.latency,
            crash=args.crash,
            start_delay=args.start_delay,
            fail_switch=args.fail_switch,
        )
        print(push(image, args.repository, args.tag))
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
