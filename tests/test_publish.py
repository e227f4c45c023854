"""From a clone to a Space, against the loopback Hub."""

import base64
import hashlib

import pytest
import yaml
from fake_hub import FakeHub
from huggingface_hub import constants

from cxdemo import checkpoints
from cxdemo.__main__ import main
from cxdemo.checkpoints import CheckpointError, find_checkpoint
from cxdemo.commands import publish
from cxdemo.commands.cards import FAMILIES, write_card
from cxdemo.training.export_face import TERMS

# the Hub client's own way to send a file, with the HTTP client of today
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
CLONE = {
    "app.py": b"print('app')\n",
    "requirements.txt": b"gradio\n",
    "README.md": b"---\nsdk: gradio\n---\n",
    "LICENSE": b"MIT\n",
    "pyproject.toml": b"",
    "cxdemo/ui/app.py": b"# app\n",
    "cxdemo/examples/a.png": PIXEL,
    "checkpoints/manifest.json": b"{}",
    "checkpoints/weights.safetensors": bytes(2000),
}
LEFT_OVER = {"cxdemo/__pycache__/a.pyc": b"\0", "cxdemo/.DS_Store": b"\0", "notes.txt": b"mine"}


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the loopback Hub knows LFS
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with FakeHub() as running:
        yield running


@pytest.fixture
def clone(tmp_path):
    for name, content in {**CLONE, **LEFT_OVER}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def files_of(hub):
    record = hub.repos["spaces/me/app"]
    return record["commits"][record["refs"]["main"]]


def test_a_space_gets_the_app_and_its_weights_and_nothing_else(hub, clone):
    address = publish.publish_space("me/app", root=clone, endpoint=hub.url)
    assert address == f"{hub.url}/spaces/me/app"
    files = files_of(hub)
    attributes = files.pop(".gitattributes").decode()
    assert files == CLONE
    assert attributes == (
        "*.png filter=lfs diff=lfs merge=lfs -text\n"
        "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
    )
    assert set(hub.lfs) == {
        hashlib.sha256(CLONE[name]).hexdigest()
        for name in ("cxdemo/examples/a.png", "checkpoints/weights.safetensors")
    }
    (asked,) = hub.created
    assert (asked["sdk"], asked["hardware"]) == ("gradio", "zero-a10g")


def test_publishing_again_deletes_what_is_gone_and_leaves_what_is_the_owners(hub, clone):
    publish.publish_space("me/app", root=clone, endpoint=hub.url)
    files_of(hub)["banner.txt"] = b"of the owner"
    (clone / "cxdemo/ui/app.py").unlink()
    publish.publish_space("me/app", root=clone, endpoint=hub.url)
    files = files_of(hub)
    assert "cxdemo/ui/app.py" not in files
    assert files["banner.txt"] == b"of the owner"
    assert files["app.py"] == CLONE["app.py"]


def test_without_a_clone_or_a_right_it_is_a_sentence(hub, clone, tmp_path_factory):
    with pytest.raises(ValueError, match=r"has no app\.py: a Space is published from a clone"):
        publish.publish_space("me/app", root=tmp_path_factory.mktemp("empty"), endpoint=hub.url)
    hub.fail = 403
    with pytest.raises(CheckpointError, match=r"me/app cannot be published.*use a token that has"):
        publish.publish_space("me/app", root=clone, endpoint=hub.url)
    assert hub.repos == {}
    hub.fail, hub.refuse_lfs = None, True
    with pytest.raises(CheckpointError, match=r"me/app cannot be published.*answered with an err"):
        publish.publish_space("me/app", root=clone, endpoint=hub.url)
    assert files_of(hub) == {}


def test_the_command_names_the_space_or_what_to_do(hub, clone, monkeypatch, capsys):
    asked = []

    def fake(repo, *, hardware):
        asked.append((repo, hardware))
        return "https://huggingface.co/spaces/me/app"

    monkeypatch.setattr(publish, "publish_space", fake)
    assert main(["publish", "--space", "me/app", "--hardware", "cpu-basic"]) == 0
    assert asked == [("me/app", "cpu-basic")]
    assert capsys.readouterr().out == "Published: https://huggingface.co/spaces/me/app\n"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main(["publish", "--repo", "me/weights"]) == 2
    assert "unset HF_HUB_OFFLINE" in capsys.readouterr().err


def test_this_clone_has_all_that_a_space_needs():
    root = checkpoints.FOLDER.parent
    files = publish.list_app(root)
    assert {"app.py", "requirements.txt", "cxdemo/ui/app.py", "checkpoints/manifest.json"} <= {
        *files
    }
    assert not [name for name in files if "pycache" in name or name.startswith("tests")]
    settings = yaml.safe_load((root / "README.md").read_text(encoding="utf-8").split("---")[1])
    vgg19 = find_checkpoint("vgg19")
    assert settings["preload_from_hub"] == [f"{vgg19.repo} {vgg19.file} {vgg19.revision}"]
    assert settings["models"] == [vgg19.repo]
    assert settings["suggested_hardware"] == publish.HARDWARE


# --- The cards of the weights --------------------------------------------------------------------

LICENSES = {
    "mit",
    "apache-2.0",
    "cc-by-4.0",
    "other",
}  # as the Hub spells them
TASKS = {"image-to-image", "image-feature-extraction", "keypoint-detection"}


def read_front(card):
    _, front, text = card.split("---\n", 2)
    return yaml.safe_load(front), text


def test_every_embedded_checkpoint_belongs_to_one_family():
    embedded = [r.name for r in checkpoints.load_manifest().values() if r.shards]
    named = [name for family in FAMILIES.values() for name in family.names]
    assert sorted(named) == sorted(embedded)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_card_has_what_the_hub_reads_and_what_people_read(name):
    front, text = read_front(write_card(FAMILIES[name]))
    assert front["license"] in LICENSES
    assert ("license_name" in front) == (front["license"] == "other")
    assert front["pipeline_tag"] in TASKS
    assert "](../" not in text
    for checkpoint in FAMILIES[name].names:
        record = find_checkpoint(checkpoint)
        assert f"`{checkpoint}`" in text
        assert record.source.split(",")[0] in text
        if front["license"] != "other":
            assert record.license.lower() == front["license"]


def test_the_terms_of_the_faces_are_named():
    _, text = read_front(write_card(FAMILIES["face-translators"]))
    assert "licensed for non-commercial research only" in text
    for name in FAMILIES["face-translators"].names:
        assert find_checkpoint(name).license == TERMS


def test_the_card_of_all_weights_names_no_single_licence():
    readme = (checkpoints.FOLDER / "README.md").read_text(encoding="utf-8")
    front, _ = read_front(readme)
    assert (front["license"], front["license_name"]) == ("other", "one-for-each-file")


def test_a_family_is_published_with_its_own_files_alone(hub):
    address = publish.publish_family("me/lpips", "lpips", endpoint=hub.url)
    record = hub.repos["me/lpips"]
    files = record["commits"][address.removeprefix("me/lpips@")]
    assert set(files) == {
        "README.md", "manifest.json", "lpips-alexnet.safetensors", "LICENSE-lpips.txt",
    }  # fmt: skip
    (shard,) = find_checkpoint("lpips").shards
    assert hashlib.sha256(files[shard.file]).hexdigest() == shard.sha256
    assert yaml.safe_load(files["manifest.json"]).keys() == {"lpips"}
