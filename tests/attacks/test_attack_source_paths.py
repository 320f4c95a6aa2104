"""A branch brings its own files: none of them may lead to what only the job has."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from pulumi_slipway.components.source import Renderer
from pulumi_slipway.pipeline.stack_files import workspace
from pulumi_slipway.settings.source import Helm, Source
from pulumi_slipway.source.inside import bases, inside
from pulumi_slipway.source.rendered import SourceError

CHART = {"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "templates/x.yaml": 'x: {{ .Files.Get "env" }}'}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project with a chart and a kustomization, and a secret beside it."""
    root = tmp_path / "project"
    (tmp_path / "secret.yaml").parent.mkdir(exist_ok=True)
    (tmp_path / "secret.yaml").write_text("apiVersion: v1\nkind: ConfigMap\n")
    for name, text in {"Pulumi.yaml": "name: x", "k8s/kustomization.yaml": "resources: [../base]",
                       "base/kustomization.yaml": "resources: []", "values.yaml": "a: 1",
                       **{f"chart/{key}": it for key, it in CHART.items()}}.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.chdir(root)
    return root


def renderer():
    """It reads files and asks no engine."""
    made = Renderer("slipway:workloads.web.source", "apps", None)
    made._invoke = lambda what, place, arguments: [{"rendered": what}]
    return made


@pytest.mark.parametrize(
    "path", ["../secret.yaml", "k8s/../../secret.yaml", "..", "k8s/..", "a\nb", "/etc/passwd", "./../x"]
)
@pytest.mark.parametrize("kind", ["manifests", "kustomize", "values", "chart"])
def test_a_path_that_goes_up_is_no_setting(kind, path):
    settings = {
        "manifests": {"manifests": path},
        "kustomize": {"kustomize": path},
        "values": {"helm": {"chart": "chart", "valuesFiles": path}},
        "chart": {"helm": {"chart": path}},
    }
    with pytest.raises(ValidationError):
        Source.model_validate(settings[kind])


@pytest.mark.parametrize("path", ["k8s/web.yaml", "a..b/c", "..a", "k8s/*.yaml", "a/.b"])
def test_others_are(path):
    assert Source.model_validate({"manifests": path}).manifests == (path,)


@pytest.mark.parametrize("target", ["/proc/self/environ", "../../secret.yaml", "/etc", "/nowhere"])
def test_a_charts_link_out_of_the_project_is_not_followed(project, target):
    (project / "chart/env").symlink_to(target)
    with pytest.raises(SourceError, match=r"helm[.]chart: chart/env leads to .* outside of the project") as told:
        renderer().helm("web", Helm(chart="chart"))
    assert "\n" not in str(told.value)


def test_nor_a_directory_that_is_one(project):
    (project / "charts").symlink_to("/etc")
    with pytest.raises(SourceError, match="outside of the project"):
        renderer().helm("web", Helm(chart="charts"))


@pytest.mark.parametrize("what", ["values", "manifests"])
def test_nor_one_of_values_or_manifests(project, what):
    (project / "evil.yaml").symlink_to("/proc/self/environ")
    ways = {
        "values": lambda: renderer().helm("web", Helm(chart="chart", values_files=("evil.yaml",))),
        "manifests": lambda: renderer().manifests(("e*.yaml",)),
    }
    with pytest.raises(SourceError, match=r"evil[.]yaml leads to /proc/\d+/environ outside of the project"):
        ways[what]()


def test_nor_a_kustomizations_base(project):
    bases("x", Path("k8s"))
    (project / "k8s/kustomization.yaml").write_text("resources: [../../]")
    with pytest.raises(SourceError, match="outside of the project"):
        renderer().kustomize("k8s")
    (project / "k8s/kustomization.yaml").write_text("resources: [../base]")
    (project / "base/env").symlink_to("/proc/self/environ")
    with pytest.raises(SourceError, match="outside of the project"):
        renderer().kustomize("k8s")


def test_a_kustomization_that_builds_upon_itself_ends(project):
    (project / "base/kustomization.yaml").write_text("resources: [../k8s]")
    bases("x", Path("k8s"))


def test_a_pipe_is_not_read(project):
    os.mkfifo(project / "chart/values.yaml")
    with pytest.raises(SourceError, match="neither a file nor a directory"):
        inside("x", Path("chart"))


def test_a_project_by_links_may_have_files_of_its_own(project, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    (here / "Pulumi.yaml").symlink_to(project / "Pulumi.yaml")
    (here / "web.yaml").write_text("")
    monkeypatch.chdir(here)
    inside("x", Path("web.yaml"))


def test_links_within_the_project_are_followed_in_a_jobs_workspace_too(project, monkeypatch):
    (project / "chart/values.yaml").symlink_to("../values.yaml")
    assert renderer().helm("web", Helm(chart="chart", values_files=("values.yaml",)))
    with workspace(project, "staging", "config: {}") as directory:
        monkeypatch.chdir(directory)
        assert renderer().helm("web", Helm(chart="chart", values_files=("values.yaml",)))
        assert renderer().kustomize("k8s")
