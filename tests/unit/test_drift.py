"""Drift is what we declared and the cluster says otherwise; nothing else."""

import pytest

from pulumi_slipway.release.drift import drift

DEPLOYMENT = {
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "app",
                        "image": "a",
                        "resources": {"limits": {"cpu": "0.5"}},
                        "env": [{"name": "A", "value": "1"}],
                    }
                ]
            }
        },
    }
}


def live(**changes):
    container = {
        "name": "app",
        "image": "a",
        "resources": {"limits": {"cpu": "500m"}},
        "env": [{"name": "A", "value": "1"}],
    }
    container |= {"terminationMessagePath": "/dev/termination-log"} | changes
    return {
        "spec": {
            "replicas": 3,
            "paused": False,
            "template": {"spec": {"containers": [container], "restartPolicy": "Always"}},
        }
    }


def test_defaults_of_the_api_server_and_other_spellings_of_a_quantity_are_no_drift():
    assert drift(DEPLOYMENT, live()) == []


def test_what_others_add_is_not_ours_to_judge():
    assert drift(DEPLOYMENT, live(env=[{"name": "B", "value": "2"}, {"name": "A", "value": "1"}])) == []


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"image": "b"}, "spec.template.spec.containers[app].image"),
        ({"env": [{"name": "A", "value": "2"}]}, "spec.template.spec.containers[app].env[A].value"),
        ({"env": []}, "spec.template.spec.containers[app].env[A]"),
        ({"resources": {"limits": {"cpu": "600m"}}}, "spec.template.spec.containers[app].resources.limits.cpu"),
    ],
)
def test_a_change_from_outside_is_named_by_its_path(changed, path):
    assert drift(DEPLOYMENT, live(**changed)) == [path]


def test_a_missing_object_is_drift():
    assert drift({"spec": {"replicas": 3}}, None) == [""]
    assert drift({"spec": {"replicas": 3}}, {}) == ["spec"]
