"""What a new stand-in holds: an administrator with a token, and the project demo/app."""

from sandbox.gitlab import refs, tokens
from sandbox.gitlab.projects import create_project
from sandbox.gitlab.store import Store, write_private

PROJECT = "demo/app"


def prepare(store: Store) -> str:
    """Fills an empty store and returns the administrator's token, kept in the directory's `admin-token` (0600).

    A restart keeps both; where one of them was deleted, a new token is made and put there.
    """
    state = store.state
    if not state:
        state.update(users=[], tokens=[], projects=[], premium=False)
        root = {
            "id": store.next_id("user"),
            "username": "root",
            "name": "Administrator",
            "is_admin": True,
            "bot": False,
        }
        state["users"].append(root)
        project = create_project(store, PROJECT, root)
        refs.add(project, "branches", "develop", "main")
    file = store.directory / "admin-token"
    secret = file.read_text().strip() if file.exists() else None
    known = {token["digest"]: token for token in state["tokens"]}
    token = known.get(tokens.digest(secret)) if secret else None
    if secret is None or token is None or token["revoked"]:
        # A secret that this store doesn't know is taken on (the store was deleted), a revoked one never comes back.
        kept = secret if token is None else None
        _, secret = tokens.issue(store, state["users"][0], "sandbox administrator", ["api"], secret=kept)
        write_private(file, secret.encode())
    store.save()
    return secret
