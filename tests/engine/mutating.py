"""An admission webhook that changes what is written, as sidecar injectors and image rewriters do."""

import base64
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lightkube import Client
from lightkube.models.admissionregistration_v1 import MutatingWebhook, RuleWithOperations, WebhookClientConfig
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration

from sandbox.pki import Authority

Change = Callable[[dict[str, Any]], None]
"""Changes an object in place; it gets every Deployment, pod and Service of the namespace."""


class Mutating:
    """The webhook of one namespace; it listens from `begin` on."""

    def __init__(self, admin: Client, namespace: str, directory: Path) -> None:
        self._admin, self._namespace = admin, namespace
        authority = Authority(directory / "webhook")
        pair = authority.issue("server", "webhook", server=True)
        self._trust = base64.b64encode(authority.pem.encode()).decode()
        self._server: ThreadingHTTPServer | None = None
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pair.certificate, pair.key)

    def begin(self, change: Change) -> None:
        """From now on each object is changed so."""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                changed = request["object"]
                change(changed)
                patch = [{"op": "replace", "path": "", "value": changed}]
                encoded = base64.b64encode(json.dumps(patch).encode()).decode()
                answer = {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": encoded}
                body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        rules = [
            RuleWithOperations(
                apiGroups=["", "apps"],
                apiVersions=["v1"],
                operations=["CREATE", "UPDATE"],
                resources=["deployments", "pods", "services"],
            )
        ]
        url = f"https://127.0.0.1:{self._server.server_address[1]}/"
        selector = LabelSelector(matchLabels={"kubernetes.io/metadata.name": self._namespace})
        webhook = MutatingWebhook(
            name="changes.example.com",
            admissionReviewVersions=["v1"],
            sideEffects="None",
            clientConfig=WebhookClientConfig(url=url, caBundle=self._trust),
            rules=rules,
            namespaceSelector=selector,
        )
        self._admin.create(MutatingWebhookConfiguration(metadata=ObjectMeta(name=self._namespace), webhooks=[webhook]))

    def end(self) -> None:
        """Objects are written as they are again."""
        if self._server:
            self._admin.delete(MutatingWebhookConfiguration, self._namespace)
            self._server.shutdown()
            self._server.server_close()
        self._server = None
