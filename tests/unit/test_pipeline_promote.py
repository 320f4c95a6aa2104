"""What goes on from one environment to the next, beside real histories of git."""

import subprocess

import pytest

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Phase, Record, Release
from pulumi_slipway.pipeline import promote as module
from pulumi_slipway.pipeline.promote import Built, NotPromotable, promote, refused
from pulumi_slipway.release.commits import Commits, GitFailed, lacking
from pulumi_slipway.release.promotion import commits_of, deployed_again

APP = ["app", "app/Dockerfile"]
STACK = """\
config:
  slipway:environment: {{name: {name}}}
  slipway:workloads:
    web: {{}}
"""


def image(letter):
    return f"registry/app@sha256:{letter * 64}"


def record(sequence, letter, commit, outcome=Phase.HEALTHY, **more):
    release = Release.of({"metadata": {}, "spec": {"containers": [{"image": image(letter)}]}})
    at = "2026-01-01T00:00:00+00:00"
    return Record(sequence, release, outcome, at, at, 1.0, provenance={"commit": commit} if commit else {}, **more)


class Repository:
    """A repository with an app, a second directory and the stack files."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit(
            **{"app/Dockerfile": "1", "docs": "1", "Pulumi.production.yaml": STACK.format(name="production"),
               "Pulumi.staging.yaml": STACK.format(name="staging")}
        )  # fmt: skip
        self.git("branch", "develop")

    def git(self, *arguments):
        identity = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=self.path, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, branch="", **files):
        if branch:
            self.git("checkout", "--quiet", branch)
        for name, text in files.items():
            (self.path / name).parent.mkdir(exist_ok=True)
            (self.path / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return self.git("rev-parse", "HEAD")

    def released(self, *flags):
        """Develop gets a version that staging runs, and is merged into main; develop's commit."""
        deployed = self.commit("develop", **{"app/Dockerfile": "2"})
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", *(flags or ("--no-ff",)), "develop")
        return deployed


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


def told(repository, *deployed, paths=tuple(APP)):
    return refused(Commits(repository.path), deployed, "staging", paths)


def test_what_is_merged_goes_on(repository):
    deployed = repository.released()
    assert told(repository, deployed) == ""
    assert told(repository, deployed, paths=(".",)) == ""


def test_a_fast_forward_and_a_squash_are_merged_too(repository):
    deployed = repository.released("--ff-only")
    assert told(repository, deployed) == ""
    deployed = repository.commit("develop", **{"app/Dockerfile": "3"})
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--squash", "develop")
    repository.commit()
    assert told(repository, deployed) == ""


def test_a_hotfix_that_staging_never_ran_does_not(repository):
    deployed = repository.released()
    hotfix = repository.commit("main", **{"app/fix": "1", "docs": "2"})
    why = told(repository, deployed)
    assert why.startswith(
        f"staging runs commit {deployed[:8]}, which lacks what this pipeline's commit {hotfix[:8]} has"
    )
    assert "(app/fix): bring that to staging first" in why
    assert "SLIPWAY_IMAGE=<image of this commit>, which goes past staging and is recorded as such" in why


def test_one_that_came_before_the_merge_does_not_either(repository):
    repository.commit("main", **{"app/fix": "1"})
    assert "(app/fix)" in told(repository, repository.released())


def test_what_is_in_no_image_does_not_hold_it_back(repository):
    deployed = repository.released()
    repository.commit("main", **{"Pulumi.production.yaml": "config: {a: b}", ".gitlab-ci.yml": "x"})
    assert told(repository, deployed) == ""
    assert told(repository, deployed, paths=(".",)) == ""
    repository.commit("main", docs="2")
    assert told(repository, deployed) == ""
    assert "(docs)" in told(repository, deployed, paths=(".", "app/Dockerfile")), "it may be in an image of the whole"


def test_what_is_not_merged_does_not(repository):
    repository.released()
    ahead = repository.commit("develop", **{"app/Dockerfile": "3"})
    repository.git("checkout", "--quiet", "main")
    assert "is not part of what this pipeline deploys: merge it first" in told(repository, ahead)


def test_a_commit_that_this_clone_lacks_can_not_be_told(repository):
    for unknown in ("f" * 40, "--upload-pack=x"):
        assert "whether it has this pipeline's commit can't be told" in told(repository, unknown)


def test_an_image_of_another_pipeline_must_be_merged_and_no_more(repository):
    repository.released()
    assert told(repository, repository.first, paths=None) == ""
    ahead = repository.commit("develop")
    repository.git("checkout", "--quiet", "main")
    assert "is not part of" in told(repository, ahead, paths=None)


def test_a_commit_that_made_the_same_image_again_counts(repository):
    """A change of the documentation makes the same image and begins no release: the ledger knows the first commit."""
    repository.released()
    assert told(repository, repository.first, repository.git("rev-parse", "develop")) == ""


def test_going_back_makes_no_image_of_the_pipeline_that_went_back():
    known = (record(1, "a", "c1"), record(2, "b", "c2"), record(3, "a", "c2", left=image("b")))
    assert commits_of(known, image("a")) == ("c1",)
    assert commits_of(known, image("b")) == ("c2",)


def test_a_deployment_that_brought_the_same_image_adds_its_commit():
    known = (record(1, "a", "c1"), record(2, "b", "c2"), record(3, "a", "c2", left=image("b")))
    said = {"slipway.dev/by-commit": "c4", "slipway.dev/image": f"other,{image('a')}"}
    assert commits_of(deployed_again(known, said), image("a")) == ("c1", "c4")
    assert commits_of(deployed_again(known, said), image("b")) == ("c2",)
    assert deployed_again(known, {}) == known


def test_what_the_program_promotes_is_asked_the_same(repository):
    deployed = repository.released()
    head = repository.git("rev-parse", "HEAD")
    said = []
    assert lacking(head, said.append, repository.path)((deployed,)) == ""
    assert lacking("", said.append, repository.path)((repository.first,)) == "", "no pipeline"
    ahead = repository.commit("develop", docs="3")
    repository.git("checkout", "--quiet", "develop~1")
    assert lacking(deployed, said.append, repository.path)((ahead,)) == "", "the other environment is ahead"
    repository.git("checkout", "--quiet", "main")
    hotfix = repository.commit(**{"app/fix": "1"})
    why = lacking(hotfix, said.append, repository.path)((deployed,))
    assert why == f"is of commit {deployed[:8]}, which lacks what this pipeline's commit {hotfix[:8]} has (app/fix)"
    assert said == []
    for head, made in ((hotfix, ()), (hotfix, ("f" * 40,)), (deployed, (deployed,))):
        assert lacking(head, said.append, repository.path)(made) == ""
    assert len(said) == 3
    assert all(line.startswith("whether it has what this pipeline's commit has can't be told: ") for line in said)


def test_where_git_can_not_tell_that_is_said(tmp_path):
    with pytest.raises(GitFailed, match="git can't tell which commit is checked out"):
        Commits(tmp_path)


@pytest.fixture
def staging(repository, monkeypatch):
    """Staging's ledger, to be filled; nothing else is asked of the cluster."""
    known = []
    monkeypatch.setattr(module.cluster, "connect", lambda: None)
    monkeypatch.setattr(module.cluster, "as_preflight_error", lambda client: __import__("contextlib").nullcontext())
    monkeypatch.setattr(module.snapshot, "annotations", lambda *_: {})
    monkeypatch.setattr(module, "records", lambda client, workload, namespace: tuple(known))
    return known


def promoted(repository, **environ):
    dotenv = repository.path.parent / "promoted.env"
    said = promote(
        repository.path, "staging", "production", dotenv, Built(APP), {"CI_REGISTRY_IMAGE": "registry/app", **environ}
    )
    return said, dict(line.split("=", 1) for line in dotenv.read_text().splitlines())


def test_the_digest_of_staging_is_handed_on(repository, staging):
    staging.append(record(1, "a", repository.released()))
    said, handed_on = promoted(repository)
    assert handed_on == {"SLIPWAY_PROMOTED": "staging", "SLIPWAY_IMAGE_WEB": image("a")}
    assert said.startswith(f"web: {image('a')}, Healthy in staging since")


def test_a_hotfix_is_refused_and_an_image_given_by_a_person_goes_past_staging_and_is_recorded(repository, staging):
    staging.append(record(1, "a", repository.released()))
    repository.commit("main", **{"app/fix": "1"})
    with pytest.raises(NotPromotable, match=r"^web: staging runs commit \w{8}, which lacks"):
        promoted(repository)
    said, handed_on = promoted(repository, SLIPWAY_IMAGE=image("b"))
    assert handed_on == {"SLIPWAY_PROMOTED": "no", "SLIPWAY_IMAGE_WEB": image("b")}
    assert "given by the job, not promoted from staging: recorded as such" in said


def test_a_release_without_a_commit_does_not_go_on(repository, staging):
    staging.append(record(1, "a", ""))
    with pytest.raises(NotPromotable, match="staging has no commit on record for what it runs"):
        promoted(repository)


def test_after_a_rollback_in_staging_the_older_image_does_not_go_on_as_the_newer_commit(repository, staging):
    old = repository.commit("develop", **{"app/Dockerfile": "1b"})
    new = repository.released()
    staging += [record(1, "a", old), record(2, "b", new), record(3, "a", new, left=image("b"))]
    with pytest.raises(UserError, match="lacks what this pipeline's commit"):
        promoted(repository)
