"""Every command that README and documents name is run on small inputs, or at least understood."""

import importlib
import re
import shlex
import shutil
from itertools import takewhile
from pathlib import Path

import pytest
from PIL import Image

from cxdemo import images
from cxdemo.__main__ import main
from cxdemo.video import save_mp4

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "cxdemo" / "examples"
PAGES = [
    path
    for path in sorted(ROOT.glob("**/*.md"))
    if not {".venv", "node_modules"} & set(path.relative_to(ROOT).parts)
]
COMMAND = re.compile(r"python -m cxdemo[. ][^`\n#]*")
SMALLER = {  # by command: what makes it quick, whatever else is asked for
    "style": ["--size", "64", "--num-steps", "2", "--backbone", "vgg16"],
    "face exemplar": ["--size", "64", "--num-steps", "3"],
    "face animate": ["--size", "64", "--num-steps", "20"],
    "face puppet": ["--size", "64", "--num-steps", "20", "--batch-size", "1"],
    "lab misaligned": ["--num-steps", "20", "--crop", "48"],
    "lab rivals": ["--size", "96", "--num-steps", "2"],
    "match": ["--size", "96"],
}
UNRUN = {"bench", "fetch", "publish", "examples"}  # minutes, or the Hub: their flags are read


def documented() -> list[str]:
    """The commands of all pages, each once."""
    found = (
        " ".join(text.replace("\\", " ").split())
        for page in PAGES
        for text in COMMAND.findall(page.read_text(encoding="utf-8").replace("\\\n", " "))
    )
    return sorted({text.rstrip(".,;:)") for text in found})


def is_run(words: list[str]) -> bool:
    """Whether a command is given whole, with its inputs, and takes seconds."""
    return words[0] not in UNRUN and "-o" in words


WORDS = [
    shlex.split(text.removeprefix("python -m cxdemo "))
    for text in documented()
    if text.startswith("python -m cxdemo ")
]
RUN = [words for words in WORDS if is_run(words)]
READ = [words for words in WORDS if not is_run(words)]
MODULES = [
    shlex.split(text.removeprefix("python -m "))
    for text in documented()
    if text.startswith("python -m cxdemo.")
]


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """A folder with whatever the pages call their inputs."""
    monkeypatch.chdir(tmp_path)
    for name in ("PHOTO", "PHOTO.jpg", "CONTENT", "PICTURE.jpg", "A.jpg"):
        shutil.copy(EXAMPLES / "portrait_monalisa.jpg", name)
    for name in ("PAINTING", "ANOTHER", "STYLE", "B.jpg"):
        shutil.copy(EXAMPLES / "portrait_curie_1927.jpg", name)
    Image.new("RGB", (40, 30), "teal").save("SMALL.png")
    Path("FOLDER").mkdir()
    shutil.copy("SMALL.png", "FOLDER")
    frames = images.to_tensor(images.load("A.jpg")).expand(4, -1, -1, -1)
    for name in ("CLIP.mp4", "DRIVER.mp4", "PUPPET.mp4", "NEW.mp4"):
        save_mp4(frames, name, fps=8)
    return tmp_path


@pytest.mark.parametrize("words", RUN, ids=" ".join)
def test_a_documented_command_does_what_it_says(words, inputs, capsys):
    name = next((n for n in SMALLER if " ".join(words).startswith(n)), "")
    assert main([*words, *SMALLER.get(name, [])]) == 0, capsys.readouterr().err
    written = Path(words[words.index("-o") + 1])
    assert written.is_dir() or written.stat().st_size > 100


def test_what_is_run_covers_every_command_with_an_output():
    known = {" ".join(words[: 1 + (words[0] in {"face", "lab"})]) for words in RUN}
    assert known >= {
        "style", "sr", "match", "face exemplar", "face translate", "face animate", "face puppet",
        "lab misaligned", "lab rivals",
    }  # fmt: skip


@pytest.mark.parametrize("words", READ, ids=" ".join)
def test_the_flags_of_a_documented_command_exist(words, capsys):
    command = list(takewhile(lambda word: word.islower() and not word.startswith("-"), words))
    with pytest.raises(SystemExit) as ended:
        main([*command[:2], *(("--peers", ".") if "--peers" in words else ()), "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    for flag in (word for word in words if word.startswith("--") and word != "--help"):
        assert re.search(rf"{flag}\b", said), flag


@pytest.mark.parametrize("words", MODULES, ids=" ".join)
def test_a_documented_module_exists_and_knows_its_flags(words):
    code = Path(importlib.import_module(words[0]).__file__).read_text(encoding="utf-8")
    assert '__name__ == "__main__"' in code
    for flag in (word for word in words if word.startswith("--")):
        assert flag in code, flag
