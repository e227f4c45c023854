"""The owner's own copy of `checkpoints/` on the Hub."""

# pyright: strict

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cxdemo.checkpoints.explain import NEW_TOKEN, complain
from cxdemo.checkpoints.records import FOLDER, CheckpointError
from cxdemo.checkpoints.remote import Address, hub_client

PUBLISHED = ["*.safetensors", "manifest.json", "README.md", "LICENSE*"]


def publish_checkpoints(repo: str, *, folder: Path = FOLDER, endpoint: str | None = None) -> str:
    """Upload `checkpoints/` to a Hub repository of your own, created if it does not exist.

    Returns:
        NAME@REVISION, the value to set CXDEMO_HUB_REPO to.

    Raises:
        CheckpointError: The Hub cannot be reached, or does not allow it.
    """
    with explaining_the_hub(repo):
        api = hub_client().HfApi(endpoint=endpoint)
        api.create_repo(repo, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=PUBLISHED,
            commit_message="Publish the checkpoints of cxdemo",
        )
        return f"{repo}@{commit.oid}"


@contextmanager
def explaining_the_hub(repo: str) -> Generator[None, None, None]:
    """Errors of an upload to a repository, in one sentence that says what to do.

    Raises:
        CheckpointError: Whatever the Hub client raised.
    """
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    known = (httpx.HTTPError, errors.OfflineModeIsEnabled, errors.HFValidationError, OSError)
    try:
        yield
    except (*known, RuntimeError) as raised:  # the client wraps the failure of a large file
        error = raised.__cause__ if isinstance(raised, RuntimeError) else raised
        if not isinstance(error, known):
            raise
        if isinstance(error, errors.HFValidationError):
            reason = f"{repo!r} is no name of a repository"
            raise CheckpointError(reason, "name it OWNER/NAME") from error
        if isinstance(error, errors.RepositoryNotFoundError):  # 401 without a token, too
            reason = f"The Hub does not let you write to {repo}"
            raise CheckpointError(reason, NEW_TOKEN) from error
        address = Address(repo=repo, revision="main", file="")
        what, remedy = complain(error, address, 10)
        reason = f"{repo} cannot be published: the Hub {what}"
        raise CheckpointError(reason, remedy or "check the connection and try again") from error
