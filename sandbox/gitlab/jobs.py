"""Jobs of pipelines, as far as others ask whether one has ended (docs.gitlab.com/api/jobs; lib/api/ci/jobs.rb).

No pipeline runs here: the runner's harness says by `PUT /sandbox/projects/:id/jobs/:job_id` how its jobs are.
"""

from sandbox.gitlab import clock
from sandbox.gitlab.access import REPORTER
from sandbox.gitlab.errors import forbidden, not_found
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import Answer, Call, Routes

routes = Routes()

# app/models/concerns/ci/has_status.rb: AVAILABLE_STATUSES, those of a job that a runner has.
AT_WORK = ("pending", "running", "canceling")
COMPLETED = ("success", "failed", "canceled", "skipped")


@routes("GET", "/projects/:id/jobs/:job_id")
def single(call: Call) -> Answer:
    """A job's state; it belongs to the project of the path alone."""
    known = call.project(REPORTER).get("jobs", {}).get(str(call.number("job_id")))
    if known is None:
        raise not_found()
    return Answer(200, known)


@routes("PUT", "/sandbox/projects/:id/jobs/:job_id")
def told(call: Call) -> Answer:
    """What a runner reports: `status`, and where a job has failed its `failure_reason`."""
    if not call.user["is_admin"]:
        raise forbidden("only the administrator steers the sandbox")
    given = call.declared(Param("status", required=True, choices=AT_WORK + COMPLETED), Param("failure_reason"))
    number, ended = call.number("job_id"), given["status"] in COMPLETED
    job = {"id": number, **given, "finished_at": clock.now() if ended else None}
    call.project(REPORTER).setdefault("jobs", {})[str(number)] = job
    return Answer(200, job)
