"""Writes a one-layer OCI image around one static binary, the same bytes for the same input.

Format: the OCI image-spec (image-layout, manifest, config, layer).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class ImageConfig:
    """What the runtime is told about the image."""

    architecture: str
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    user: str = "65532"


def write_layout(target: Path, binary: Path, entrypoint: str, config: ImageConfig, name: str | None = None) -> str:
    """Makes the directory `target` an OCI layout of one image; returns the manifest's digest, `sha256:…`.

    `name` is the reference that containerd gives the image on import. The layer is compressed once for each binary
    and hard-linked from beside it. A layout appears whole or not at all, and an existing one is left as it is.
    """
    layer, diff_id = _layer(binary, entrypoint)
    runtime: dict[str, Any] = {
        "Entrypoint": [entrypoint],
        "User": config.user,
        "Env": [f"{key}={value}" for key, value in sorted(config.env.items())],
        "Labels": dict(config.labels),
    }
    if config.port is not None:
        runtime["ExposedPorts"] = {f"{config.port}/tcp": {}}
    config_blob = _json(
        {
            "architecture": config.architecture,
            "os": "linux",
            "config": runtime,
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
    )
    layer_digest = _sha256(layer.read_bytes())
    manifest_blob = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": _sha256(config_blob), "size": len(config_blob)},
            "layers": [{"mediaType": _LAYER, "digest": layer_digest, "size": layer.stat().st_size}],
        }
    )
    manifest: dict[str, Any] = {"mediaType": _MANIFEST, "digest": _sha256(manifest_blob), "size": len(manifest_blob)}
    if name is not None:
        manifest["annotations"] = {"io.containerd.image.name": name}
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".layout-", dir=target.parent))
        blobs = draft / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        os.link(layer, blobs / _hex(layer_digest))
        for blob in (config_blob, manifest_blob):
            (blobs / _hex(_sha256(blob))).write_bytes(blob)
        (draft / "index.json").write_bytes(_json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [manifest]}))
        (draft / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
        _rename_directory(draft, target)
    return str(manifest["digest"])


def write_archive(layout: Path, target: Path) -> None:
    """Packs a layout into one tar file, as `ctr images import` takes it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in layout.rglob("*") if path.is_file())
    entries = [(str(path.relative_to(layout)), path.read_bytes(), 0o644) for path in files]
    _replace(target, _tar(entries))


def _layer(binary: Path, entrypoint: str) -> tuple[Path, str]:
    """The compressed layer beside the binary, and the digest of its uncompressed form (the config wants that one)."""
    layer = binary.with_name(f"{binary.name}{entrypoint.replace('/', '-')}.layer.tar.gz")
    if not layer.exists():
        content = _tar([(entrypoint.lstrip("/"), binary.read_bytes(), 0o755)])
        _replace(layer, gzip.compress(content, compresslevel=6, mtime=0))
    with gzip.open(layer) as stream:
        return layer, f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _tar(entries: list[tuple[str, bytes, int]]) -> bytes:
    """Without times and owners, so that the same content is the same archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data, mode in entries:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _replace(target: Path, content: bytes) -> None:
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(target)


def _rename_directory(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:  # another process was first: the same input gave it the same content
        shutil.rmtree(draft)
        if not target.exists():
            raise


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _hex(digest: str) -> str:
    return digest.partition(":")[2]
