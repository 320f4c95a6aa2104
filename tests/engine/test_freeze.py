"""A frozen environment, on the real engine and cluster: what waits, what passes, what is kept of who did not wait."""

from datetime import UTC, datetime, timedelta

from tests.engine.cluster_view import outcomes, records
from tests.engine.harness import app, stack


def test_a_release_waits_and_a_rollback_passes_and_an_override_is_kept(project, namespace, images, admin):
    settings = stack(namespace, myapp=app(replicas=1))
    project.configure(settings).up(SLIPWAY_IMAGE=images.v1).expect()
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    today, tomorrow = datetime.now(UTC).date(), datetime.now(UTC).date() + timedelta(days=1)
    # As people write it: dates without quotes, which Pulumi's reader makes times of.
    settings["slipway:environment"]["freeze"] = [{"from": today, "to": tomorrow, "reason": "holidays"}]
    project.configure(settings)
    shown = project.preview(SLIPWAY_IMAGE=images.v3).expect()
    end = f"{tomorrow + timedelta(days=1)} 00:00 UTC"
    assert f"environment staging takes no release of myapp now (holidays, until {end})" in shown.output
    refused = project.up(SLIPWAY_IMAGE=images.v3).expect(1)
    assert f"environment staging takes no release of myapp now (holidays, until {end})" in refused.output
    assert "Traceback" not in refused.output
    assert set(project.up().expect().changes) == {"same"}
    project.up(SLIPWAY_ACTION="rollback").expect()
    project.up(SLIPWAY_IMAGE=images.v3, SLIPWAY_OVERRIDE="the fix of <b>CVE-1</b>").expect()
    assert outcomes(admin, namespace, "myapp") == ["Healthy"] * 4
    last = records(admin, namespace)[-1]
    assert (last.release.image, last.provenance["override"]) == (images.digest("v3"), "the fix of <b>CVE-1</b>")


def test_gitlabs_deploy_freeze_is_honoured(project, namespace, images):
    project.configure(stack(namespace, myapp=app(replicas=1)))
    refused = project.up(SLIPWAY_IMAGE=images.v1, CI_DEPLOY_FREEZE="true").expect(1)
    assert "GitLab's deploy freeze: CI_DEPLOY_FREEZE is set" in refused.output
