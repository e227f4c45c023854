"""What the Hub did, and what to do about it, in one sentence, whatever its client raised."""

# pyright: strict

import errno
import socket

from cxdemo.checkpoints.records import Checkpoint, CheckpointError, Request, Sources
from cxdemo.checkpoints.remote import Address, UnusableAnswerError


def full_disk(checkpoint: Checkpoint, sources: Sources, needed: int = 0) -> CheckpointError:
    """The error that says that there is no room."""
    reason = f"{checkpoint.name} cannot be kept: the disk of {sources.parts(checkpoint)} is full"
    room = f"{needed / 1e6:.0f} MB there" if needed else "some space there"
    return CheckpointError(reason, f"free {room}, or set HF_HOME to a folder on another disk")


def refusal(request: Request, address: Address, what: str, remedy: str = "") -> CheckpointError:
    """The error that says what the Hub did."""
    reason = f"{request.checkpoint.name} cannot be had: the Hub ({address.repo}) {what}"
    name = request.checkpoint.name
    usual = f"check the connection and run `python -m cxdemo fetch {name}`, or name a file of yours"
    return CheckpointError(reason, remedy or usual)


def explain(error: Exception, request: Request, address: Address) -> CheckpointError:
    """The error in one readable sentence, whatever the Hub client raised."""
    if isinstance(error, CheckpointError):
        return error
    if _is_full(error):
        return full_disk(request.checkpoint, request.sources)
    if isinstance(error, OSError) and error.filename:  # the cache's, not the network's
        reason = f"{request.checkpoint.name} cannot be kept: {error}"
        return CheckpointError(reason, "make that folder writable, or set HF_HOME")
    what, remedy = complain(error, address, request.sources.answer_timeout)
    return refusal(request, address, what, remedy)


def _is_full(error: BaseException | None) -> bool:
    """Whether a full disk or a used-up quota is the cause."""
    while error is not None:
        if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
            return True
        error = error.__cause__ or error.__context__
    return False


NEW_TOKEN = "run `hf auth login`, or set HF_TOKEN to a valid token"  # noqa: S105  a sentence


def complain(error: Exception, address: Address, timeout: float) -> tuple[str, str]:
    """What the Hub did, as a verb phrase, and what to do; "": the usual."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    in_manifest = "correct checkpoints/manifest.json, or CXDEMO_HUB_REPO if that names it"
    private = f"{in_manifest}; if it is private, {NEW_TOKEN}"
    cases: list[tuple[type[Exception], str, str]] = [  # a subclass before its parent
        (UnusableAnswerError, str(error), ""),
        (errors.GatedRepoError, "wants its terms accepted", "accept them there, and set HF_TOKEN"),
        (errors.RepositoryNotFoundError, "has no such repository, or a private one", private),
        (errors.RevisionNotFoundError, f"has no revision {address.revision}", in_manifest),
        (errors.RemoteEntryNotFoundError, f"has no file {address.file}", in_manifest),
        (errors.OfflineModeIsEnabled, "may not be asked (offline mode)", "unset HF_HUB_OFFLINE"),
        (errors.HfHubHTTPError, *_complain_of_status(error)),
        (httpx.TimeoutException, f"did not answer within {timeout:g} s", ""),
        (httpx.RemoteProtocolError, "broke off the transfer", ""),
        (httpx.TransportError, *_complain_of_transport(error)),
        (OSError, f"could not be read from ({error})", ""),
    ]
    for kind, what, remedy in cases:
        if isinstance(error, kind):
            return what, remedy
    return f"gave an answer of no use ({error!r})", ""


def _complain_of_status(error: Exception) -> tuple[str, str]:
    """What an HTTP error means, and what to do."""
    from huggingface_hub import get_token

    status = getattr(getattr(error, "response", None), "status_code", "unknown")
    if status == 401 and get_token() is None:
        return "wants a token, and there is none", NEW_TOKEN
    if status == 401:
        return "does not accept the token (401)", NEW_TOKEN
    if status == 403:
        rights = "use a token that has the right: https://huggingface.co/settings/tokens"
        return "does not allow this to the token (403)", rights
    if status == 429:
        return "was asked too often (429)", "wait some minutes and try again"
    return f"answered with an error ({status})", ""


def _complain_of_transport(error: Exception) -> tuple[str, str]:
    """Why nothing came, and what to do."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "cannot be reached: this machine seems to have no network", ""
        cause = cause.__cause__ or cause.__context__
    return f"cannot be reached ({error})", ""
