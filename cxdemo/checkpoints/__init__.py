"""Weights: which exist, where they are looked for, and the proof that they are the right ones.

`checkpoints/manifest.json` has a record for each checkpoint. Its tensors are looked for in this
order, and only what is still missing moves on to the next place:

1. an explicit `.safetensors` file, if one is named;
2. the embedded shards in `checkpoints/`;
3. this app's cache, then a complete file in the Hub client's cache; neither asks the network;
4. the Hugging Face Hub, which must answer within seconds, or a `CheckpointError` says so.

What is proven. Embedded shards, cached files and complete files of the Hub are compared with their
sha256. A checkpoint of which only some tensors are wanted, such as the 23 MB of VGG19 below
conv4_3 in a file of 575 MB, is pulled by byte ranges, and the sha256 of a whole file cannot be
computed from a part of it. Such a pull rests on the server, which must name the pinned sha256 as
the file's ETag at the pinned revision, and on the tensors, which must have exactly the expected
shapes and type and plausible values. It would not notice single wrong bits sent by a server that
names the right ETag; `whole=True` downloads the complete file and does notice.

Only safetensors are read: nothing here can execute code from a file.
"""

# pyright: strict

from cxdemo.checkpoints.hub import HUB_REPO_VARIABLE
from cxdemo.checkpoints.load import (
    fetch_checkpoint,
    load_state_dict,
    load_with_fallback,
    locate,
)
from cxdemo.checkpoints.publish import explaining_the_hub, publish_checkpoints
from cxdemo.checkpoints.records import (
    DEFAULT_SOURCES,
    FOLDER,
    PATIENT_SOURCES,
    Checkpoint,
    CheckpointError,
    Loaded,
    Origin,
    Preprocessing,
    Progress,
    Shard,
    Sources,
    StateDict,
    find_checkpoint,
    load_manifest,
)

__all__ = [
    "DEFAULT_SOURCES",
    "FOLDER",
    "HUB_REPO_VARIABLE",
    "PATIENT_SOURCES",
    "Checkpoint",
    "CheckpointError",
    "Loaded",
    "Origin",
    "Preprocessing",
    "Progress",
    "Shard",
    "Sources",
    "StateDict",
    "explaining_the_hub",
    "fetch_checkpoint",
    "find_checkpoint",
    "load_manifest",
    "load_state_dict",
    "load_with_fallback",
    "locate",
    "publish_checkpoints",
]
