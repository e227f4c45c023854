"""`publish`: the weights, or the whole app as a Space, to a repository of your own on the Hub."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cxdemo import checkpoints
from cxdemo.commands.cards import FAMILIES, write_card

APP = ("app.py", "requirements.txt", "README.md", "LICENSE", "pyproject.toml")
FOLDERS = ("cxdemo", "checkpoints")
HARDWARE = "zero-a10g"  # the Hub's name for ZeroGPU, which an account without a plan can have
SAMPLE = 8000  # bytes; a file with a zero among its first ones is binary, as for git


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "publish",
        help="upload checkpoints/, or the app as a Space, to the Hugging Face Hub",
        description="Log in first with `hf auth login`, or set HF_TOKEN to a token that may write.",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--repo", metavar="OWNER/NAME", help="the weights to a model repository")
    where.add_argument("--space", metavar="OWNER/NAME", help="the app and its weights to a Space")
    parser.add_argument(
        "--family", choices=tuple(FAMILIES), help="of the weights, only these, with their own card"
    )
    parser.add_argument(
        "--hardware", default=HARDWARE, help=f"of a Space that is new. Default: {HARDWARE}, ZeroGPU"
    )
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Uploads and says where it went."""
    if args.space:
        print(f"Published: {publish_space(args.space, hardware=args.hardware)}")
    elif args.family:
        print(f"Published: {publish_family(args.repo, args.family)}")
    else:
        print(f"Published. Set CXDEMO_HUB_REPO={checkpoints.publish_checkpoints(args.repo)}")
    return 0


def publish_space(
    repo: str,
    *,
    root: Path = checkpoints.FOLDER.parent,
    hardware: str = HARDWARE,
    endpoint: str | None = None,
) -> str:
    """Upload the app and its weights to a Space of your own, created if it does not exist.

    Files of an earlier upload that the app no longer has are deleted; others of the Space stay.

    Args:
        repo: OWNER/NAME.
        root: A clone of the project.
        hardware: Of a Space that is created, as the Hub names it.
        endpoint: Address of the Hub. None: the Hub client's own (HF_ENDPOINT).

    Returns:
        Its address.

    Raises:
        CheckpointError: The Hub cannot be reached, or does not allow it.
        ValueError: The root is no clone.
    """
    files = list_app(root)
    with checkpoints.explaining_the_hub(repo):
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

        api = HfApi(endpoint=endpoint)
        address = api.create_repo(
            repo,
            repo_type="space",
            space_sdk="gradio",
            space_hardware=hardware,  # pyright: ignore[reportArgumentType]  a string serves
            exist_ok=True,
        )
        held = api.list_repo_files(repo, repo_type="space")
        stale = [name for name in held if name.split("/")[0] in FOLDERS and name not in files]
        attributes = write_attributes(files.values()).encode()
        api.create_commit(
            repo,
            [
                CommitOperationAdd(".gitattributes", attributes),
                *(CommitOperationAdd(name, path) for name, path in files.items()),
                *(CommitOperationDelete(name) for name in stale),
            ],
            repo_type="space",
            commit_message="Publish cxdemo",
        )
    return str(address)


def publish_family(
    repo: str, family: str, *, folder: Path = checkpoints.FOLDER, endpoint: str | None = None
) -> str:
    """Upload the checkpoints of one family to a model repository, with a card of their own.

    Args:
        repo: OWNER/NAME; created if it does not exist.
        family: A name of `FAMILIES`.
        folder: The manifest and the files.
        endpoint: As in `publish_space`.

    Returns:
        NAME@REVISION.

    Raises:
        CheckpointError: The Hub cannot be reached, or does not allow it.
    """
    chosen = FAMILIES[family]
    card = write_card(chosen, folder=folder)
    records = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    mine = {name: records[name] for name in chosen.names}
    shards = [shard["file"] for record in mine.values() for shard in record["shards"]]
    licences = [path.name for path in folder.glob("LICENSE*") if path.name in card]
    with checkpoints.explaining_the_hub(repo):
        from huggingface_hub import CommitOperationAdd, HfApi

        api = HfApi(endpoint=endpoint)
        api.create_repo(repo, exist_ok=True)
        commit = api.create_commit(
            repo,
            [
                CommitOperationAdd("README.md", card.encode()),
                CommitOperationAdd("manifest.json", json.dumps(mine, indent=1).encode()),
                *(CommitOperationAdd(name, folder / name) for name in shards + licences),
            ],
            commit_message=f"Publish {family}",
        )
    return f"{repo}@{commit.oid}"


def list_app(root: Path) -> dict[str, Path]:
    """The files of a clone that a Space needs, by their names in the repository.

    Raises:
        ValueError: It is no clone.
    """
    missing = [name for name in APP if not (root / name).is_file()]
    if missing:
        raise ValueError(
            f"{root} has no {missing[0]}: a Space is published from a clone of the project. "
            "Run `python -m cxdemo publish --space` in its folder."
        )
    inside = (path for folder in FOLDERS for path in sorted((root / folder).rglob("*")))
    parts = [path for path in inside if path.is_file() and _belongs(path.relative_to(root))]
    return {path.relative_to(root).as_posix(): path for path in [root / n for n in APP] + parts}


def _belongs(path: Path) -> bool:
    """Whether a file is one of the project's, and not one that running it left."""
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and "__pycache__" not in path.parts


def write_attributes(files: Iterable[Path]) -> str:
    """`.gitattributes` that has binary files stored by LFS, without which the Hub refuses them."""
    endings = sorted({path.suffix for path in files if _is_binary(path)})
    return "".join(f"*{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in endings)


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" in file.read(SAMPLE)
