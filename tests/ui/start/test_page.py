"""What the page sends of the lesson, what it serves, and where its links lead."""

import json
import re

import nbformat
import pytest
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cxdemo.lessons import measure
from cxdemo.lessons.texts import LANGUAGES, read_texts
from cxdemo.ui.app import TABS, tab_id
from cxdemo.ui.face.page import MODES as FACE_SECTIONS
from cxdemo.ui.kit.i18n import CATALOGUE, language_script, read_catalogue
from cxdemo.ui.lab.page import SECTIONS as LAB_SECTIONS
from cxdemo.ui.start import files, page

STEPS = ("shift", "eye", "context", "bandwidth", "matrix", "place", "fails")


def slug(title):
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")


@pytest.fixture(scope="module")
def client():
    with TestClient(Starlette(routes=files.ROUTES)) as client:
        yield client


def test_the_lesson_is_the_first_tab():
    assert TABS[0][0] == "Start here"


@pytest.mark.parametrize("name", page.LINKS)
def test_each_row_of_the_table_has_its_words_and_leads_to_a_tab(name):
    asked = dict(part.split("=") for part in page.LINKS[name][1:].split("&"))
    assert asked["tab"] in [tab_id(title) for title, _ in TABS]
    sections = {"face-to-face": FACE_SECTIONS, "loss-lab": LAB_SECTIONS}.get(asked["tab"], [])
    if sections:
        assert asked["section"] in [slug(title) for title, _ in sections]
    for language in LANGUAGES.values():
        assert all(
            f"table.{name}{part}" in read_texts(language)
            for part in ("", ".pairs", ".before", ".paper", ".ours")
        )


def test_the_script_asks_only_for_texts_that_exist():
    script, texts = page.read_script(), read_texts("en")
    asked = re.findall(r"""(?:plain|say|bare)\(['"]([\w.]+)['"]""", script)
    asked += re.findall(r"""(?:pills|slider)\(['"]([\w.]+)['"]""", script)
    assert len(asked) > 40
    assert [key for key in asked if key not in texts] == []
    for step in STEPS:
        assert {f"{step}.title", f"{step}.ask"} <= set(texts)


def test_the_browser_gets_every_matrix_as_it_was_measured(client):
    sent = client.get(f"/{files.DISTANCES}")
    assert "immutable" in sent.headers["cache-control"]
    lesson = page.show_lesson()
    assert len(sent.content) == 2 * sum(cells**2 for cells in lesson["sizes"].values())
    start = 0
    for name, cells in lesson["sizes"].items():
        part = bytearray(sent.content[start : start + 2 * cells**2])
        start += 2 * cells**2
        read = torch.frombuffer(part, dtype=torch.float16).view(cells, cells)
        assert torch.equal(read, measure.read_distances()[name])


def test_the_sheet_and_the_notebook_are_served(client):
    assert "练习" in client.get(f"/{files.EXERCISES}?lang=zh").text
    assert "Answers" in client.get(f"/{files.EXERCISES}").text
    nbformat.validate(nbformat.reads(client.get(f"/{files.NOTEBOOK}").text, as_version=4))


def test_the_catalogue_of_the_page_is_chinese_and_safe_in_a_script():
    for said, made in read_catalogue().items():
        assert re.search(r"[\u4e00-\u9fff]", made), said
    assert list(json.loads(CATALOGUE.read_text("utf-8"))) == list(read_catalogue())
    assert "</script" not in language_script()


@pytest.mark.parametrize("title", [t for t, _ in (*TABS, *FACE_SECTIONS, *LAB_SECTIONS)])
def test_tabs_and_sections_have_chinese_names(title):
    assert title in read_catalogue()
