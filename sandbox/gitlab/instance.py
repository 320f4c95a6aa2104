"""The instance itself: version and metadata (docs.gitlab.com/api/version, /api/metadata)."""

from sandbox.gitlab.people import READ_USER
from sandbox.gitlab.routing import Answer, Call, Routes

routes = Routes()

# The release whose rules are followed. The revision says what it is to whoever reads it.
VERSION = "18.5.0"
REVISION = "sandbox"


@routes("GET", "/version", scopes=READ_USER)
def version(_call: Call) -> Answer:
    """Version and revision."""
    return Answer(200, {"version": VERSION, "revision": REVISION})


@routes("GET", "/metadata", scopes=READ_USER)
def metadata(call: Call) -> Answer:
    """Like version, with the edition: `enterprise` is true for EE also without a licence."""
    kas = {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None}
    return Answer(200, {"version": VERSION, "revision": REVISION, "kas": kas, "enterprise": True})
