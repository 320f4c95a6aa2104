"""`slipway init`: what it writes is right at once, what is there stays; starter/ and the root have the same texts."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ci.starter import ROOT, expected
from pulumi_slipway.cli.__main__ import main
from pulumi_slipway.cli.starter_files import NAMES, PULUMI_NEW, STACKS, STRATEGIES, render
from pulumi_slipway.settings import parse
from pulumi_slipway.version import VERSION
from tests.unit.templates import documents

STACK_FILES = [f"Pulumi.{stack}.yaml" for stack in STACKS]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder called `shop`, worked in."""
    made = tmp_path / "shop"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def init(*flags):
    return main(["init", "--yes", *flags])


def config(file):
    return yaml.safe_load(file.read_text())["config"]


def settings(file):
    """The file's blocks as the program takes them."""
    return parse({key.removeprefix("slipway:"): it for key, it in config(file).items()}, {}, file=file.name)


def test_what_is_checked_in_is_what_the_templates_give():
    wanted = expected()
    assert [str(file) for file, text in wanted.items() if file.read_text() != text] == [], "run: make starter"
    assert {file for file in (ROOT / "starter").rglob("*") if file.is_file()} == {
        f for f in wanted if "starter" in f.parts
    }


def test_pulumi_new_fills_in_all_that_is_open():
    texts = render(PULUMI_NEW, template=True)
    found = [line for text in texts.values() for line in text.splitlines() if "${" in line]
    assert found == ["name: ${PROJECT}", "description: ${DESCRIPTION}"]
    assert yaml.safe_load(texts["Pulumi.yaml"])["template"]["quickstart"]
    assert "template" not in yaml.safe_load((ROOT / "Pulumi.yaml").read_text())


def test_a_project_is_six_kinds_of_files(folder):
    assert init() == 0
    assert sorted(file.name for file in folder.rglob("*")) == sorted(NAMES)
    assert [name for name in NAMES if name not in STACK_FILES] == [
        "Pulumi.yaml", "__main__.py", "requirements.txt", ".gitlab-ci.yml", ".gitignore",
    ]  # fmt: skip
    assert yaml.safe_load((folder / "Pulumi.yaml").read_text())["name"] == "shop"
    assert f"pulumi-slipway=={VERSION}\n" in (folder / "requirements.txt").read_text()
    assert len([line for line in (folder / "__main__.py").read_text().splitlines() if line]) == 3


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("prefix", ["", "acme-"])
def test_the_stack_files_are_right_at_once_and_fit_together(folder, strategy, prefix):
    assert init("--strategy", strategy, "--namespace-prefix", prefix, "--workload", "web") == 0
    access = settings(folder / "Pulumi.access.yaml").access
    for stack in STACKS[1:]:
        found = settings(folder / f"Pulumi.{stack}.yaml")
        assert found.environment.name == stack
        assert found.environment.namespace == access.environments[stack].namespace == f"{prefix}{stack}"
        chosen = config(folder / f"Pulumi.{stack}.yaml")["slipway:workloads"]["web"].get("strategy", {"rolling": {}})
        assert set(chosen) == {"rolling" if stack == "review" else strategy}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("stack", ["staging", "production"])
def test_what_they_show_in_comments_is_right_too(folder, strategy, stack):
    init("--strategy", strategy)
    file = folder / f"Pulumi.{stack}.yaml"
    file.write_text(re.sub(r"(?m)^( +)# ( *)([A-Za-z_]+:)", r"\1\2\3", file.read_text()))
    (workload,) = settings(file).workloads.values()
    assert workload.checks
    assert workload.secret_env


def test_the_pipelines_file_includes_the_component_with_inputs_that_it_has(folder):
    init("--directory", "deploy", "--domain", "acme.example", "--components", "git.example/ops/slipway")
    text = (folder / ".gitlab-ci.yml").read_text()
    for shown in (text, re.sub(r"(?m)^( +)# ([a-z-]+:)", r"\1\2", text)):
        [include] = yaml.safe_load(shown)["include"]
        assert include["component"] == f"git.example/ops/slipway/delivery@{VERSION}"
        assert include["inputs"].items() >= {
            "directory": "deploy", "staging-url": "https://staging.acme.example",
            "production-url": "https://acme.example", "review-domain": "acme.example",
        }.items()  # fmt: skip
        assert set(include["inputs"]) <= set(documents(ROOT / "templates" / "delivery.yml")[0])
    assert {file.name for file in (folder / "deploy").iterdir()} == set(NAMES) - {".gitlab-ci.yml"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("requirements.txt", "flask\n", f"add pulumi-slipway=={VERSION}"),
        ("Pulumi.yaml", "name: x\nruntime: nodejs\n", "its program is none in Python: give --directory"),
        ("__main__.py", "print()\n", "add `from pulumi_slipway import run` and `run()`"),
        (".gitlab-ci.yml", "test: {script: [x]}\n", "add the `include` of the one that `init` writes"),
    ],
)
def test_what_a_file_that_stays_lacks_is_told(folder, capsys, name, text, said):
    (folder / name).write_text(text)
    assert init() == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert (folder / name).read_text() == text


def test_what_gitlab_would_not_read_is_told(folder, capsys, monkeypatch):
    (folder / ".git").mkdir()
    (folder / "service").mkdir()
    monkeypatch.chdir(folder / "service")
    assert init() == 0
    assert "GitLab reads the .gitlab-ci.yml of" in " ".join(capsys.readouterr().out.split())


def test_a_file_that_is_there_stays_and_is_named(folder, capsys):
    (folder / ".gitignore").write_text("mine\n")
    assert init() == 0
    assert (folder / ".gitignore").read_text() == "mine\n"
    assert (folder / "Pulumi.yaml").exists()
    assert "kept as it is .gitignore" in capsys.readouterr().out
    before = {name: (folder / name).stat().st_mtime_ns for name in NAMES}
    assert init("--name", "other") == 0
    assert {name: (folder / name).stat().st_mtime_ns for name in NAMES} == before
    assert "written" not in capsys.readouterr().out


def test_it_says_what_comes_next(capsys):
    init("--gitlab-project", "acme/shop")
    said = capsys.readouterr().out
    assert "pulumi stack select --create access && pulumi up --stack access" in said
    assert "is acme/shop the project" in said


@pytest.mark.parametrize(
    ("remote", "project"),
    [
        ("git@gitlab.example.com:acme/shop.git", "acme/shop"),
        ("https://gitlab.example.com/acme/deep/shop.git", "acme/deep/shop"),
        ("ssh://git@gitlab.example.com:2222/acme/shop", "acme/shop"),
        (None, "my-group/shop"),
        ("../elsewhere", "my-group/shop"),
    ],
)
def test_the_gitlab_project_is_that_of_the_remote(folder, remote, project):
    subprocess.run(["git", "init", "-q"], check=True)
    if remote:
        subprocess.run(["git", "remote", "add", "origin", remote], check=True)
    init()
    assert settings(folder / "Pulumi.access.yaml").access.gitlab.project == project


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--workload", "My App"], "--workload 'My App': must be a workload's name"),
        (["--workload", "a" * 20], "must have 19 characters at most"),
        (["--name", "7up"], "--name '7up': must be a name of a Pulumi project"),
        (["--strategy", "recreate"], "--strategy 'recreate': must be one of rolling, blueGreen, canary"),
        (["--namespace-prefix", "-x"], "--namespace-prefix '-x': must be a DNS label"),
        (["--gitlab-project", "https://gitlab.com/a/b"], "must be a project's path"),
        (["--domain", "https://example.com"], "--domain 'https://example.com': must be a host name"),
        (["--components", "https://gitlab.com/a/b@1"], "must be <host>/<project>"),
        (["--directory", "/etc"], "must be a path below the repository's root"),
        (["--directory", "../x"], "must be a path below the repository's root"),
        (["--directory", "taken/deploy"], "can't be written"),
    ],
)
def test_a_value_that_can_not_be_is_told_in_one_line_and_nothing_is_written(folder, capsys, flags, told):
    (folder / "taken").write_text("")
    assert init(f"{flags[0]}={flags[1]}") == 1
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert [file.name for file in folder.iterdir()] == ["taken"]


def test_without_a_terminal_it_wants_to_be_told_not_to_ask(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit):
        main(["init"])
    assert "give --yes" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self):
        return True


def test_on_a_terminal_it_asks_for_what_is_not_given_until_the_answer_can_be(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal("My App\nweb\n\n\nacme-\ncanary\n\n"))
    assert main(["init", "--name", "shop"]) == 0
    said = capsys.readouterr().out
    assert "Name of the Pulumi project" not in said
    assert "must be a workload's name" in said
    found = settings(folder / "Pulumi.staging.yaml")
    assert (list(found.workloads), found.environment.namespace) == (["web"], "acme-staging")
    assert found.workloads["web"].strategy.canary


def test_who_ends_the_questions_has_written_nothing(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal("shop\n"))
    assert main(["init"]) == 1
    assert "nothing is written" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["-", "7", "größe", "A_b.C"])
def test_any_folders_name_gives_a_project(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    assert init() == 0
    assert settings(Path("Pulumi.staging.yaml")).workloads
