import re
from pathlib import Path

import cxdemo

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = {"style", "face", "sr", "match", "lab", "fetch", "publish", "bench", "examples"}


def test_the_python_of_the_readme_runs_and_gives_a_gradient():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names = {}
    exec(code, names)  # noqa: S102  it is our own
    assert 0 <= float(names["loss"].detach()) <= 6.9  # log of 24 x 40 positions is 6.87
    assert names["x"].grad.abs().sum() > 0


def test_every_command_of_the_readme_is_one_that_there_is():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for target in re.findall(r"`?make ([a-z-]+)`?", README):
        assert target in targets
    for command in re.findall(r"python -m cxdemo ([a-z]+)", README):
        assert command in COMMANDS


def test_the_space_card_agrees_with_the_requirements():
    front = README.split("---")[1]
    version = re.search(r"sdk_version: (\S+)", front)[1]
    assert f"gradio=={version}\n" in (ROOT / "requirements.txt").read_text()
    assert len(re.search(r"short_description: (.+)", front)[1]) <= 60
    assert (ROOT / re.search(r"app_file: (\S+)", front)[1]).is_file()


def test_the_package_needs_what_the_requirements_say():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    project = (ROOT / "pyproject.toml").read_text()
    (needed,) = re.findall(r"^dependencies = \[.*?\n(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert re.findall(r'"(.+)"', needed) == wanted


def test_files_that_the_readme_shows_exist():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path


def test_the_citation_names_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {cxdemo.__version__}\n" in citation
    assert f"## {cxdemo.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_files_that_the_documents_name_exist():
    for page in [ROOT / "CONTRIBUTING.md", *ROOT.glob("cxdemo/bench/*.md")]:
        for path in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / path).exists(), f"{page.name}: {path}"
    for path in re.findall(r"`((?:ui|runs|pipelines|engine)/[a-z_/]+\.py)`", (
        ROOT / "CONTRIBUTING.md"
    ).read_text(encoding="utf-8")):  # fmt: skip
        assert (ROOT / "cxdemo" / path).exists(), path
