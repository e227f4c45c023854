"""The weights' sources, against a loopback Hub that has every fault a real one may have.

The fake VGG19 has the real one's names, smaller shapes and a large classifier that nobody wants.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from fake_hub import FakeHub
from huggingface_hub import constants, hf_hub_download
from safetensors.torch import load_file, save
from torch import Tensor

from cxdemo import checkpoints
from cxdemo.checkpoints import (
    CheckpointError,
    Sources,
    files,
    load,
    load_state_dict,
    load_with_fallback,
    places,
    remote,
)
from cxdemo.features import LAYERS, load_features

REPO = "demo/vgg19"
FILE = "model.safetensors"
NAMES = list(checkpoints.find_checkpoint("vgg19").tensors)
FIRST = ["features.0.weight", "features.0.bias", "features.2.weight", "features.2.bias"]
SOME_KB = 32 * 32 * 9 * 4  # bytes of one fake kernel


def make_tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.05


def make_vgg(names: list[str]) -> dict[str, Tensor]:
    shapes = {"weight": (32, 32, 3, 3), "bias": (32,)}
    return {name: make_tensor(*shapes[name.split(".")[2]], seed=i) for i, name in enumerate(names)}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


VGG19 = make_vgg(NAMES)
BIG = save({**VGG19, "head.fc.weight": make_tensor(1000, 512)})
VGG16 = {name: tensor.half() for name, tensor in make_vgg(NAMES[:6]).items()}
SHARDS = {
    "first.safetensors": save({name: VGG16[name] for name in NAMES[:4]}),
    "second.safetensors": save({name: VGG16[name] for name in NAMES[4:6]}),
}


class Stage:
    """A folder of checkpoints, a Hub, and where both are looked for."""

    def __init__(self, root: Path, hub: FakeHub) -> None:
        self.hub = hub
        self.folder = root / "checkpoints"
        self.cache = root / "cache"
        self.sources = Sources(
            folder=self.folder, cache=self.cache, endpoint=hub.url, stall_timeout=1.0
        )
        self.folder.mkdir()
        for name, content in SHARDS.items():
            (self.folder / name).write_bytes(content)
        self.publish(BIG)

    def publish(self, content: bytes) -> None:
        """Put a file on the Hub and pin it as the checkpoint vgg19."""
        shards = [
            {"file": name, "sha256": sha256(data), "tensors": NAMES[:4] if i == 0 else NAMES[4:6]}
            for i, (name, data) in enumerate(SHARDS.items())
        ]
        text = {"description": "", "license": "MIT", "source": "the test"}
        self.record = {
            **text,
            "dtype": "F32",
            "shards": [],
            "tensors": {name: list(VGG19[name].shape) for name in NAMES},
            "fallback": "vgg16",
            "repo": REPO,
            "revision": self.hub.add(REPO, {FILE: content}),
            "file": FILE,
            "sha256": sha256(content),
        }
        embedded = {name: list(VGG16[name].shape) for name in VGG16}
        self.embedded = {**text, "dtype": "F16", "shards": shards, "tensors": embedded}
        self.write_manifest()

    def write_manifest(self, **changes: object) -> None:
        manifest = {"vgg16": self.embedded, "vgg19": {**self.record, **changes}}
        (self.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    def load(self, **options: object) -> checkpoints.Loaded:
        return load_state_dict("vgg19", **{"sources": self.sources, **options})  # type: ignore[arg-type]

    def kept(self) -> list[Path]:
        return [path for path in self.cache.rglob("*") if path.is_file()]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the loopback Hub knows LFS
    monkeypatch.delenv(checkpoints.HUB_REPO_VARIABLE, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    load._warn_once.cache_clear()
    with FakeHub() as hub:
        yield Stage(tmp_path, hub)


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, expected[name].float()), name


# --- Faults of the network -----------------------------------------------------------------------


def refuse(stage: Stage, _: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    stage.sources = replace(stage.sources, endpoint=f"http://127.0.0.1:{port}")


def silence_name_server(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time-out of a socket bounds the resolution of a name."""

    def resolve(*_: object, **__: object) -> list[object]:
        stage.hub.released.wait(20)
        raise socket.gaierror("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    stage.sources = replace(stage.sources, endpoint="http://hub.invalid")


def lose_network(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    stage.sources = replace(stage.sources, endpoint="http://hub.invalid")


def pin(**changes: object) -> Callable[[Stage, pytest.MonkeyPatch], None]:
    return lambda stage, _: stage.write_manifest(**changes)


def fault(**changes: object) -> Callable[[Stage, pytest.MonkeyPatch], None]:
    return lambda stage, _: vars(stage.hub).update(changes)


FAULTS = {
    "refused": (refuse, "cannot be reached"),
    "name server silent": (silence_name_server, "did not answer within"),
    "no network": (lose_network, "this machine seems to have no network"),
    "never answers": (fault(hang=True), "did not answer within"),
    "answers the first request only": (fault(stall_always={FILE}), "sent nothing more for 1 s"),
    "503": (fault(fail=503), "answered with an error (503)"),
    "429": (fault(fail=429), "was asked too often (429)"),
    "token refused": (fault(refuse_token=True), "does not accept the token (401)"),
    "no right": (fault(fail=403), "does not allow this to the token (403)"),
    "gated": (fault(gated={REPO}), "wants its terms accepted"),
    "no repository": (pin(repo="demo/other"), "has no such repository"),
    "no revision": (pin(revision="f" * 40), f"has no revision {'f' * 40}"),
    "no file": (pin(file="other.safetensors"), "has no file other.safetensors"),
    "truncated": (fault(truncate={FILE}), "broke off the transfer"),
    "less than promised": (fault(shorten={FILE}), "sent 16376 bytes instead of 16384"),
    "corrupt": (fault(corrupt={FILE}), "sent something that is no safetensors file"),
    "other ETag": (fault(etags={FILE: "0" * 64}), "offers another file than the pinned one"),
    "a page": (fault(html=True), "offers another file than the pinned one"),
    "ranges ignored": (fault(ignore_range=True), "does not send the part that was asked for"),
    "stalls": (fault(stall={FILE}), "sent nothing more for 1 s"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_of_the_hub_ends_within_three_seconds_in_the_stand_in(
    name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_it, complaint = FAULTS[name]
    break_it(stage, monkeypatch)
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        loaded = load_with_fallback("vgg19", sources=stage.sources)
    assert time.monotonic() - start < 3
    assert loaded.checkpoint.name == "vgg16"
    assert loaded.origin == "embedded"
    assert_equal(loaded.state_dict, VGG16)
    assert loaded.notice is not None
    assert loaded.notice.startswith("vgg19 cannot be had: the Hub (demo/")
    assert complaint in loaded.notice
    assert "; vgg16 is used instead; " in loaded.notice
    assert [record.message for record in caplog.records] == [loaded.notice]
    assert stage.kept() == []
    assert len(stage.hub.log) <= 3  # nothing is tried again and again


def test_whoever_waits_gets_the_stand_in_within_three_seconds_with_the_defaults(
    stage: Stage,
) -> None:
    defaults = Sources()
    assert (defaults.answer_timeout, defaults.stall_timeout) == (2.5, 3.0)
    stage.sources = replace(stage.sources, stall_timeout=defaults.stall_timeout)
    stage.hub.stall_always = {FILE}  # it answers, and then sends nothing
    start = time.monotonic()
    assert load_with_fallback("vgg19", sources=stage.sources).checkpoint.name == "vgg16"
    assert time.monotonic() - start < 3


def test_without_a_stand_in_the_fault_is_an_error_that_says_what_to_do(stage: Stage) -> None:
    stage.hub.gated.add(REPO)
    with pytest.raises(CheckpointError, match="accept them there, and set HF_TOKEN") as caught:
        stage.load()
    assert str(caught.value).endswith(".")
    stage.write_manifest(fallback=None)
    with pytest.raises(CheckpointError, match="wants its terms accepted"):
        load_with_fallback("vgg19", sources=stage.sources)


def test_the_notice_is_logged_once(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.hub.fail = 503
    notices = [load_with_fallback("vgg19", sources=stage.sources).notice for _ in range(3)]
    assert len(set(notices)) == 1
    assert len(caplog.records) == 1


def test_a_server_that_ignores_ranges_does_not_send_the_whole_file(stage: Stage) -> None:
    padded = save({**VGG19, "head.fc.weight": make_tensor(40_000, 512)})
    assert len(padded) > 80_000_000
    stage.publish(padded)
    stage.hub.ignore_range = True
    with pytest.raises(CheckpointError, match="status 200"):
        stage.load()
    assert stage.hub.served < len(padded) / 4  # what the sockets' buffers took


def test_a_slow_download_that_makes_progress_may_go_on(stage: Stage) -> None:
    stage.hub.pause = 0.2
    stage.sources = replace(stage.sources, stall_timeout=0.5)
    start = time.monotonic()
    assert stage.load().origin == "hub"
    assert time.monotonic() - start > 1.5


def test_offline_asks_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="cxdemo fetch vgg19"):
        stage.load(offline=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    loaded = load_with_fallback("vgg19", sources=stage.sources)
    assert loaded.checkpoint.name == "vgg16"
    assert "offline mode" in str(loaded.notice)
    assert checkpoints.locate("vgg19", sources=stage.sources) is None
    assert stage.hub.log == []


# --- What a pull does ----------------------------------------------------------------------------


def test_a_pull_is_kept_and_the_second_load_asks_nothing(stage: Stage) -> None:
    first = stage.load()
    assert first.origin == "hub"
    assert first.notice is None
    assert_equal(first.state_dict, VGG19)
    asked = len(stage.hub.log)
    second = stage.load()
    assert second.origin == "cache"
    assert_equal(second.state_dict, VGG19)
    assert len(stage.hub.log) == asked
    assert checkpoints.locate("vgg19", sources=stage.sources) == "cache"
    assert [path.stem for path in stage.kept()] == [sha256(stage.kept()[0].read_bytes())]


def test_only_the_ranges_of_the_wanted_tensors_are_pulled(stage: Stage) -> None:
    loaded = stage.load(tensors=FIRST)
    assert_equal(loaded.state_dict, {name: VGG19[name] for name in FIRST})
    assert len(stage.hub.ranges) == 3  # the header, and two blocks: other layers lie between
    wanted = 2 * SOME_KB + 2 * 128
    assert stage.hub.served < wanted + 17_000
    assert stage.hub.served < len(BIG) / 20


def test_tensors_that_were_pulled_before_are_not_pulled_again(stage: Stage) -> None:
    stage.load(tensors=FIRST)
    before = stage.hub.served
    loaded = stage.load(tensors=NAMES[:6])
    assert loaded.origin == "hub"
    assert_equal(loaded.state_dict, {name: VGG19[name] for name in NAMES[:6]})
    assert stage.hub.served - before < SOME_KB + 128 + 17_000
    assert stage.load(tensors=NAMES[:6]).origin == "cache"


def test_a_pull_goes_to_the_host_that_the_hub_names_without_its_token(stage: Stage) -> None:
    stage.hub.cdn = True
    assert_equal(stage.load().state_dict, VGG19)
    hosts = {(host.split(":")[0], token) for host, token in stage.hub.tokens}
    assert hosts == {("127.0.0.1", "Bearer hf_secret"), ("localhost", None)}


def test_the_hub_itself_gets_the_token_for_every_part(stage: Stage) -> None:
    stage.load()  # what a private repository needs
    assert {token for _, token in stage.hub.tokens} == {"Bearer hf_secret"}


def test_a_header_longer_than_the_guess_is_read_on(stage: Stage) -> None:
    stage.publish(save(VGG19, metadata={"note": "x" * 40_000}))
    assert_equal(stage.load(tensors=FIRST).state_dict, {name: VGG19[name] for name in FIRST})


def test_progress_is_told_to_the_caller_in_its_own_thread(stage: Stage) -> None:
    told: list[tuple[int, int]] = []
    threads: set[int] = set()

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        threads.add(threading.get_ident())

    stage.hub.piece, stage.hub.pause = 2048, 0.002
    stage.load(progress=progress)
    total = 16 * (SOME_KB + 128)
    assert threads == {threading.get_ident()}
    assert told == sorted(told)
    assert {each for _, each in told} == {total}
    assert told[-1] == (total, total)
    assert 3 < len(told) <= 101  # per cent by per cent


def test_a_progress_that_raises_ends_the_download(stage: Stage) -> None:
    class StoppedError(Exception):
        pass

    def stop(_done: int, _total: int) -> None:
        raise StoppedError

    stage.hub.pause = 0.1
    with pytest.raises(StoppedError):
        stage.load(progress=stop)
    time.sleep(0.5)
    served = stage.hub.served
    time.sleep(0.3)
    assert stage.hub.served == served < len(BIG) / 2
    assert stage.kept() == []


@pytest.mark.parametrize("whole", [False, True])
def test_a_download_goes_on_where_ctrl_c_interrupted_it(
    whole: bool, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(remote, "PIECE", 2 * SOME_KB)
    monkeypatch.setattr(remote, "MERGE_GAP", 0)
    stage.hub.piece, stage.hub.pause = SOME_KB, 0.01
    with pytest.raises(KeyboardInterrupt):
        stage.load(whole=whole, progress=interrupt)
    time.sleep(0.1)
    before = stage.hub.served
    needed = len(BIG) if whole else 16 * (SOME_KB + 128)
    assert_equal(stage.load(whole=whole).state_dict, VGG19)
    assert stage.hub.served - before < 0.6 * needed + 17_000  # the header is read again
    assert not list(stage.cache.rglob("*.partial"))


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({"features.0.bias": torch.full((32,), torch.nan)}, "no trained network has"),
        ({"features.0.weight": torch.full((32, 32, 3, 3), 1e4)}, "no trained network has"),
        ({"features.0.weight": torch.zeros(32, 32, 3, 3)}, "no trained network has"),
        ({"features.0.weight": make_tensor(32, 32, 9)}, "offers no tensor features.0.weight"),
        ({"features.0.bias": make_tensor(32).half()}, "offers no tensor features.0.bias"),
    ],
)
def test_tensors_of_the_right_file_must_still_be_what_they_should(
    broken: dict[str, Tensor], complaint: str, stage: Stage
) -> None:
    stage.publish(save({**VGG19, **broken}))
    with pytest.raises(CheckpointError, match=complaint):
        stage.load()
    assert stage.kept() == []


def test_a_missing_tensor_is_named(stage: Stage) -> None:
    stage.publish(save({name: VGG19[name] for name in NAMES[:-1]}))
    with pytest.raises(CheckpointError, match=f"offers no tensor {NAMES[-1]}"):
        stage.load()


# --- The cache -----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_cache_is_noticed_and_repaired(
    damage: str, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.load(tensors=FIRST)
    (path,) = stage.kept()
    content = path.read_bytes()
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    path.write_bytes({"flipped": flipped, "cut": content[:-9], "emptied": b""}[damage])
    loaded = stage.load(tensors=FIRST)
    assert loaded.origin == "hub"
    assert_equal(loaded.state_dict, {name: VGG19[name] for name in FIRST})
    assert "is damaged and will be fetched again" in caplog.text
    assert stage.kept() == [path]
    assert path.read_bytes() == content


def test_threads_that_pull_at_once_all_get_the_right_tensors(stage: Stage) -> None:
    wishes = [FIRST, NAMES[:6], NAMES, FIRST, NAMES[4:9], NAMES]
    with ThreadPoolExecutor(len(wishes)) as pool:
        results = list(pool.map(lambda names: stage.load(tensors=names), wishes))
    for names, loaded in zip(wishes, results, strict=True):
        assert_equal(loaded.state_dict, {name: VGG19[name] for name in names})
    assert all(path.stem == sha256(path.read_bytes()) for path in stage.kept())
    assert stage.load().origin == "cache"


def test_processes_that_fetch_at_once_keep_one_whole_file_under_hf_home(stage: Stage) -> None:
    code = (
        "import sys, pathlib; from cxdemo.checkpoints import *;"
        "sources = Sources(folder=pathlib.Path(sys.argv[1]), answer_timeout=60);"
        "print(fetch_checkpoint('vgg19', sources=sources))"
    )
    home = stage.cache / "home"
    environment = {**os.environ, "HF_ENDPOINT": stage.hub.url, "HF_HOME": str(home)}
    environment.pop("HF_HUB_OFFLINE", None)
    root = Path(checkpoints.__file__).parent.parent.parent
    command = [sys.executable, "-c", code, str(stage.folder)]
    running = [
        subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = {process.communicate(timeout=120)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    (path,) = stage.kept()
    assert printed == {str(path.parent)}
    assert path.is_relative_to(home)
    assert_equal(dict(sorted(load_file(path).items())), dict(sorted(VGG19.items())))


def test_a_cache_that_cannot_be_written_only_costs_the_next_download(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.cache.write_text("a file where a folder should be")
    assert_equal(stage.load().state_dict, VGG19)
    assert "cannot be kept" in caplog.text
    with pytest.raises(CheckpointError, match="set HF_HOME"):
        checkpoints.fetch_checkpoint("vgg19", sources=stage.sources)


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def replace_(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", replace_)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))


def test_a_full_disk_leaves_no_broken_file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk(monkeypatch)
    assert stage.load().origin == "hub"
    assert stage.kept() == []


def test_fetch_says_that_the_disk_is_full_before_it_downloads(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    told = r"vgg19 cannot be kept: the disk of .* is full; free 1 MB there, or set HF_HOME"
    with pytest.raises(CheckpointError, match=told):
        checkpoints.fetch_checkpoint("vgg19", sources=stage.sources)
    assert stage.hub.log == []


def test_a_disk_that_fills_up_on_the_way_is_not_the_fault_of_the_connection(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    with pytest.raises(CheckpointError, match=r"is full; free some space there") as caught:
        stage.load(whole=True)
    assert "connection" not in str(caught.value)
    assert "Hub" not in str(caught.value)


def test_a_new_version_of_a_checkpoint_does_not_use_the_old_cache(stage: Stage) -> None:
    stage.load(tensors=FIRST)
    changed = {name: tensor + 0.01 for name, tensor in VGG19.items()}
    stage.publish(save(changed))
    loaded = stage.load(tensors=FIRST)
    assert_equal(loaded.state_dict, {name: changed[name] for name in FIRST})


# --- The complete file ---------------------------------------------------------------------------


def download_complete(stage: Stage) -> Path:
    revision = str(stage.record["revision"])
    where = {"cache_dir": stage.sources.hub_cache, "endpoint": stage.hub.url}
    path = hf_hub_download(REPO, FILE, revision=revision, **where)  # type: ignore[call-overload]
    stage.hub.log.clear()
    return Path(path)


def test_a_complete_file_of_the_hub_client_is_used_and_its_sha256_computed_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    download_complete(stage)
    loaded = stage.load()
    assert loaded.origin == "cache"
    assert_equal(loaded.state_dict, VGG19)

    def compute(*_: object) -> str:
        raise AssertionError("computed again")

    monkeypatch.setattr(files, "_compute_sha256", compute)
    assert stage.load().origin == "cache"
    assert stage.hub.log == []


def test_a_damaged_complete_file_is_not_used(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    path = download_complete(stage).resolve()
    assert stage.load().origin == "cache"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert stage.load(tensors=FIRST).origin == "hub"
    assert "is damaged and is not used" in caplog.text


def test_whole_downloads_the_file_and_proves_it(stage: Stage) -> None:
    loaded = stage.load(whole=True, tensors=FIRST)
    assert loaded.origin == "hub"
    assert_equal(loaded.state_dict, {name: VGG19[name] for name in FIRST})
    asked = len(stage.hub.log)
    assert stage.load(whole=True).origin == "cache"
    assert len(stage.hub.log) == asked


def test_whole_notices_a_single_wrong_bit(stage: Stage) -> None:
    stage.hub.flip[FILE] = len(BIG) - 1
    with pytest.raises(CheckpointError, match="sha256 is not the pinned one"):
        stage.load(whole=True)
    assert [path for path in stage.kept() if path.stat().st_size > 1000] == []
    stage.hub.flip.clear()
    assert_equal(stage.load(whole=True).state_dict, VGG19)


@pytest.mark.parametrize("name", ["refused", "never answers", "503", "no revision", "other ETag"])
def test_whole_gives_up_in_time_too(
    name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it, complaint = FAULTS[name]
    stage.sources = replace(stage.sources, answer_timeout=1.0)
    break_it(stage, monkeypatch)
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=re.escape(complaint)):
        stage.load(whole=True)
    assert time.monotonic() - start < 2


# --- Explicit files ------------------------------------------------------------------------------


def test_an_explicit_file_comes_first(stage: Stage, tmp_path: Path) -> None:
    mine = {name: tensor * 2 for name, tensor in VGG19.items()}
    path = tmp_path / "mine.safetensors"
    path.write_bytes(save({**mine, "head.fc.weight": make_tensor(4, 4)}))
    loaded = stage.load(path=path, tensors=FIRST)
    assert loaded.origin == "explicit"
    assert_equal(loaded.state_dict, {name: mine[name] for name in FIRST})
    assert stage.hub.log == []


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.safetensors", save({"features.0.weight": VGG19["features.0.weight"]}), "lacks the ten"),
        ("a.safetensors", b"<html>not found</html>", "not a readable safetensors file"),
        ("a.safetensors", BIG[: len(BIG) // 2], "not a readable safetensors file"),
        ("a.safetensors", b"", "not a readable safetensors file"),
        ("a.pth", BIG, "expected a .safetensors file, got a.pth"),
        ("a.safetensors", None, "there is no file"),
        ("a.safetensors", save({**VGG19, NAMES[0]: make_tensor(2, 2)}), r"has shape \(2, 2\)"),
        ("a.safetensors", save({**VGG19, NAMES[1]: torch.full((32,), torch.inf)}), "no trained"),
    ],
)
def test_a_foreign_explicit_file_is_a_readable_error_and_never_replaced(
    name: str, content: bytes | None, complaint: str, stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=complaint):
        load_with_fallback("vgg19", path=path, sources=stage.sources)
    assert stage.hub.log == []


def test_an_explicit_file_for_an_embedded_checkpoint_has_exactly_its_tensors(
    stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "more.safetensors"
    path.write_bytes(save({**VGG16, "features.99.weight": make_tensor(2)}))
    with pytest.raises(CheckpointError, match=r"that vgg16 has not: features\.99\.weight"):
        load_state_dict("vgg16", path=path, sources=stage.sources)


# --- Embedded shards -----------------------------------------------------------------------------


def test_only_the_shards_with_the_wanted_tensors_are_read(stage: Stage) -> None:
    (stage.folder / "second.safetensors").write_bytes(b"damaged")
    loaded = load_state_dict("vgg16", tensors=FIRST[::-1], sources=stage.sources)
    assert_equal(loaded.state_dict, {name: VGG16[name] for name in FIRST[::-1]})


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1", b"flip"])
def test_a_damaged_shard_is_an_error(content: bytes, stage: Stage) -> None:
    path = stage.folder / "second.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if content == b"flip" else content)
    with pytest.raises(CheckpointError, match=r"second.safetensors is damaged.*git lfs pull"):
        load_state_dict("vgg16", sources=stage.sources)
    assert stage.hub.log == []


def test_a_missing_shard_is_an_error_that_says_where_to_get_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage.folder / "second.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"is missing; restore it, or set CXDEMO_HUB_REPO="):
        load_state_dict("vgg16", sources=stage.sources)
    monkeypatch.setenv(checkpoints.HUB_REPO_VARIABLE, "nonsense")
    with pytest.raises(CheckpointError, match="CXDEMO_HUB_REPO is 'nonsense'"):
        load_state_dict("vgg16", sources=stage.sources)
    assert stage.hub.log == []


@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the Hub client's
def test_what_was_published_stands_in_for_a_missing_shard(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage.folder / "README.md").write_text("---\nlicense: mit\n---\nCards\n")
    (stage.folder / "private.txt").write_text("stays here")
    setting = checkpoints.publish_checkpoints(
        "me/mine", folder=stage.folder, endpoint=stage.hub.url
    )
    commits = stage.hub.repos["me/mine"]["commits"]
    published = commits[setting.removeprefix("me/mine@")]
    assert set(published) == {"README.md", "manifest.json", *SHARDS}
    again = checkpoints.publish_checkpoints("me/mine", folder=stage.folder, endpoint=stage.hub.url)
    assert again == setting  # the same content in the repository that exists

    (stage.folder / "second.safetensors").unlink()
    monkeypatch.setenv(checkpoints.HUB_REPO_VARIABLE, setting)
    stage.hub.log.clear()
    loaded = load_state_dict("vgg16", sources=stage.sources)
    assert loaded.origin == "hub"
    assert_equal(loaded.state_dict, VGG16)
    assert {path.split("/")[-1] for _, path in stage.hub.log} == {"second.safetensors"}
    stage.hub.log.clear()
    assert load_state_dict("vgg16", sources=stage.sources).origin == "cache"
    assert stage.hub.log == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (save({name: VGG19[name] for name in NAMES[4:6]}), "sha256 is not the pinned one"),
        (b"x" * 10_000_001, "offers second.safetensors with 10000001 bytes"),
    ],
)
def test_something_else_under_the_name_of_a_shard_is_refused(
    content: bytes, complaint: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage.folder / "second.safetensors").unlink()
    revision = stage.hub.add("me/mine", {"second.safetensors": content})
    monkeypatch.setenv(checkpoints.HUB_REPO_VARIABLE, f"me/mine@{revision}")
    with pytest.raises(CheckpointError, match=complaint):
        load_state_dict("vgg16", sources=stage.sources)
    assert stage.hub.served < 1_000_000
    assert stage.kept() == []


PUBLISHING = {
    "refused": (refuse, "cannot be reached"),
    "no network": (lose_network, "this machine seems to have no network; check the connection"),
    "503": (fault(fail=503), "answered with an error (503)"),
    "token refused": (fault(refuse_token=True), "does not accept the token (401); run `hf auth"),
    "no right": (fault(fail=403), "does not allow this to the token (403); use a token that has"),
}


@pytest.mark.parametrize("name", PUBLISHING)
def test_every_fault_of_publishing_is_a_sentence(
    name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it, complaint = PUBLISHING[name]
    break_it(stage, monkeypatch)
    with pytest.raises(CheckpointError, match=re.escape(complaint)) as caught:
        checkpoints.publish_checkpoints(
            "me/mine", folder=stage.folder, endpoint=stage.sources.endpoint
        )
    assert str(caught.value).startswith("me/mine cannot be published: the Hub ")


def test_publishing_without_a_token_names_what_to_do(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.hub.want_token = True
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    with pytest.raises(CheckpointError, match="there is none; run `hf auth login`, or set HF_TOKE"):
        checkpoints.publish_checkpoints("me/mine", folder=stage.folder, endpoint=stage.hub.url)


def test_publishing_offline_is_a_sentence(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"\(offline mode\); unset HF_HUB_OFFLINE"):
        checkpoints.publish_checkpoints("me/mine", folder=stage.folder, endpoint=stage.hub.url)
    with pytest.raises(CheckpointError, match="'a b/c' is no name of a repository; name it OWNER"):
        checkpoints.publish_checkpoints("a b/c", folder=stage.folder, endpoint=stage.hub.url)
    assert stage.hub.log == []


def test_locating_reads_no_tensor(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.load(tensors=FIRST)

    def read(*_: object) -> None:
        raise AssertionError("read a tensor")

    monkeypatch.setattr(places, "read_file", read)
    assert checkpoints.locate("vgg19", tensors=FIRST, sources=stage.sources) == "cache"
    assert checkpoints.locate("vgg19", sources=stage.sources) is None
    assert checkpoints.locate("vgg16", sources=stage.sources) == "embedded"
    (stage.folder / "second.safetensors").write_bytes(b"damaged")
    assert checkpoints.locate("vgg16", sources=stage.sources) is None


def test_fetch_tells_where_the_weights_are(stage: Stage) -> None:
    assert checkpoints.fetch_checkpoint("vgg16", sources=stage.sources) == stage.folder
    folder = checkpoints.fetch_checkpoint("vgg19", tensors=FIRST, sources=stage.sources)
    assert [path.parent for path in stage.kept()] == [folder]
    path = checkpoints.fetch_checkpoint("vgg19", whole=True, sources=stage.sources)
    assert sha256(path.read_bytes()) == sha256(BIG)


# --- The manifest and the files that are shipped -------------------------------------------------


def test_unknown_names_get_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="Did you mean 'vgg19'"):
        load_state_dict("vgg91")
    with pytest.raises(ValueError, match=r"Did you mean 'features.0.weight'"):
        load_state_dict("vgg16", tensors=["feature.0.weight"])


def test_a_misspelt_field_of_the_manifest_is_named(stage: Stage) -> None:
    stage.write_manifest(licence="MIT")
    with pytest.raises(ValueError, match=r"vgg19 has unknown fields \['licence'\]"):
        checkpoints.load_manifest(stage.folder)


def test_records_are_complete() -> None:
    for name, record in checkpoints.load_manifest().items():
        assert record.name == name
        assert record.license
        assert record.source
        held = [tensor for shard in record.shards for tensor in shard.tensors]
        if record.shards:
            assert sorted(held) == sorted(record.tensors)
        else:
            assert record.repo
            assert len(str(record.revision)) == 40
            assert len(str(record.sha256)) == 64
        if record.fallback:
            assert checkpoints.find_checkpoint(record.fallback).shards


def test_every_shipped_file_is_small_and_named_in_the_manifest() -> None:
    shards = [s for record in checkpoints.load_manifest().values() for s in record.shards]
    shipped = sorted(checkpoints.FOLDER.rglob("*.safetensors"))
    assert sorted(shard.file for shard in shards) == [path.name for path in shipped]
    assert all(path.stat().st_size < 10_000_000 for path in shipped)
    for shard in shards:
        assert sha256((checkpoints.FOLDER / shard.file).read_bytes()) == shard.sha256


def expected_shapes(network: str, last: int) -> dict[str, tuple[int, ...]]:
    """What torchvision says, up to the layer with this index."""
    import torchvision

    with torch.device("meta"):
        features = getattr(torchvision.models, network)().features
    state = features[: last + 1].state_dict()
    return {f"features.{name}": tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize(("network", "last"), [("vgg16", 28), ("vgg19", 34)])
def test_names_and_shapes_are_those_of_torchvision(network: str, last: int) -> None:
    assert dict(checkpoints.find_checkpoint(network).tensors) == expected_shapes(network, last)


def test_the_embedded_vgg16_sees_what_its_source_saw(tmp_path: Path) -> None:
    loaded = load_state_dict("vgg16", offline=True, sources=Sources(cache=tmp_path))
    assert loaded.origin == "embedded"
    assert {n: tuple(t.shape) for n, t in loaded.state_dict.items()} == loaded.checkpoint.tensors
    assert golden(loaded) == pytest.approx(GOLDEN, rel=1e-3)


# Values of Keras' VGG16 (weights="imagenet") that others have printed: layer, then height, width,
# input channel (BGR) and output channel of a kernel, or the channel of a bias.
PUBLISHED = [
    (0, (0, 0, 0, 0), 0.429470569),
    (0, (0, 0, 0, 1), 0.117273867),
    (0, (0, 0, 1, 0), 0.550379455),
    (0, (0, 0, 2, 0), 0.480015397),
    (0, (0, 0, 2, 63), 0.0348965675),
    (24, (1, 0, 63, 269), -0.011236359),
    (26, (510,), 0.23517226),
    (28, (0, 2, 0, 400), -0.008714244),
]


@pytest.mark.parametrize(("index", "place", "value"), PUBLISHED)
def test_the_embedded_vgg16_holds_the_values_published_for_imagenet(
    index: int, place: tuple[int, ...], value: float
) -> None:
    state = load_features("vgg16", ["conv5_3"], dtype=torch.float32).convolutions.state_dict()
    layer = next(layer for layer in LAYERS["vgg16"].values() if layer.key == f"features.{index}")
    if len(place) == 1:
        found = state[f"{layer.name}.bias"][place]
    else:
        height, width, channel, out = place
        channel = 2 - channel if index == 0 else channel  # this network sees RGB
        found = state[f"{layer.name}.weight"][out, channel, height, width]
    assert found.item() == pytest.approx(value, rel=5e-4)  # float16


def golden(loaded: checkpoints.Loaded) -> float:
    """Mean of relu4_1 of a picture in which red, green and blue differ."""
    across, down = torch.linspace(0, 1, 64).expand(64, 64), torch.linspace(0, 1, 64)[:, None]
    image = torch.stack([across, down.expand(64, 64), (across * down * 20).frac()])[None]
    mean, std = (
        torch.tensor(value)[:, None, None]
        for value in (loaded.checkpoint.preprocessing.mean, loaded.checkpoint.preprocessing.std)
    )
    x = (image - mean) / std
    for index in (0, 2, 5, 7, 10, 12, 14, 17):
        if index in {5, 10, 17}:
            x = F.max_pool2d(x, 2)
        weight, bias = (loaded.state_dict[f"features.{index}.{k}"] for k in ("weight", "bias"))
        x = F.conv2d(x, weight, bias, padding=1).relu()
    return x.mean().item()


# Computed once from the float32 kernels of the source, in its own channel order (BGR).
GOLDEN = 297.51773


def test_every_checkpoint_has_a_card() -> None:
    card = (checkpoints.FOLDER / "README.md").read_text(encoding="utf-8")
    for record in checkpoints.load_manifest().values():
        assert f"`{record.name}`" in card
        assert record.source.split(",")[0] in card
    assert "https://creativecommons.org/licenses/by/4.0/" in card  # what VGG16's licence asks for
