"""The secret environment: where its values come from, and what its name gives away."""

import base64

import pytest
from pydantic import SecretStr

from pulumi_slipway.release import secret_env
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.settings import Environment, FromEnv, Workload


def subject(name="myapp", namespace="staging"):
    return Subject(name, Environment(name="staging", namespace=namespace), Workload())


def from_env(name):
    return FromEnv.model_validate({"fromEnv": name})


def test_values_come_from_the_stack_file_and_from_the_jobs_variables():
    declared = {"A": SecretStr("one"), "B": from_env("JOB_B")}
    assert secret_env.values(declared, {"JOB_B": "two", "A": "not this"}) == ({"A": "one", "B": "two"}, [])


@pytest.mark.parametrize("environment", [{}, {"JOB_B": ""}])
def test_variables_that_are_missing_or_empty_are_named_and_not_their_keys(environment):
    declared = {"B": from_env("JOB_B"), "C": from_env("JOB_C"), "D": from_env("JOB_D")}
    found, missing = secret_env.values(declared, {**environment, "JOB_D": "there"})
    assert found == {"D": "there"}
    assert missing == ["JOB_B", "JOB_C"]


def test_the_same_values_give_the_same_name_and_any_change_another():
    name = secret_env.content(subject(), {"A": "one", "B": "two"}).name
    assert name == secret_env.content(subject(), {"B": "two", "A": "one"}).name
    others = [{"A": "one", "B": "three"}, {"A": "one"}, {"A": "one", "C": "two"}, {"A": "two", "B": "one"}]
    assert len({name, *(secret_env.content(subject(), other).name for other in others)}) == 5


def test_equal_values_of_two_workloads_or_namespaces_do_not_show_by_their_names():
    same = {"A": "one"}
    subjects = [subject(), subject("other"), subject(namespace="production")]
    hashes = {secret_env.content(one, same).name.rpartition("-")[2] for one in subjects}
    assert len(hashes) == 3


def test_what_is_stored_is_base64_of_utf8_and_no_value_shows_in_print():
    made = secret_env.content(subject(), {"A": "pässword"})
    assert base64.b64decode((made.data or {})["A"]).decode() == "pässword"
    assert "pässword" not in repr(made)
    assert (made.data or {})["A"] not in repr(made)
    assert made.name.startswith("myapp-env-")
