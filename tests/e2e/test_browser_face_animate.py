"""Animation in a real browser: examples, clips that are too long or broken."""

from pathlib import Path

import av
import pytest
from playwright.sync_api import expect

from cxdemo.examples import PICTURES
from cxdemo.images import load
from e2e.visit import SLOW, Visit

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(browser, app):
    visit = Visit(browser, app, path="?tab=face-to-face", viewport={"width": 1366, "height": 900})
    visit.page.get_by_role("tab", name="Animate").click()
    yield visit
    visit.check_clean()
    visit.page.context.close()


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory):
    """600 seconds of a face, one frame each, with sound nowhere."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        picture = load(PICTURES / "portrait_astronaut.jpg").resize((128, 128))
        for _ in range(600):
            file.mux(stream.encode(av.VideoFrame.from_image(picture)))
        file.mux(stream.encode())
    return path


def put_clip(page, elem_id, path):
    page.locator(f"#{elem_id} input[type=file]").set_input_files(path)


def test_an_example_shows_its_film_at_once_and_can_be_taken_home(visit):
    page = visit.page
    page.locator("#cx-animate-cards button").first.click()
    expect(page.locator("#cx-animate-film video")).to_be_visible(timeout=SLOW)
    expect(page.locator("#cx-animate-status")).to_contain_text("A finished example")
    with page.expect_download() as download:
        page.locator("#cx-animate-gif").click()
    assert Path(download.value.path()).read_bytes()[:6] == b"GIF89a"


def test_long_and_broken_clips_are_answered_in_a_sentence(visit, ten_minutes, tmp_path):
    page = visit.page
    expect(page.locator("#cx-animate").get_by_text("The first 3 seconds are used")).to_be_visible()
    put_clip(page, "cx-animate-clip", ten_minutes)
    status = page.locator("#cx-animate-status")
    expect(status).to_contain_text("The first 3 s of 10 minutes are used", timeout=SLOW)
    page.reload()
    page.get_by_role("tab", name="Animate").click()
    (tmp_path / "broken.mp4").write_bytes(b"no film" * 999)
    put_clip(page, "cx-animate-clip", tmp_path / "broken.mp4")
    expect(status).to_contain_text(
        "“broken.mp4” is a text file, but a film was expected", timeout=SLOW
    )
    visit.errors.clear()  # the browser's own player complains about the broken file


def test_a_run_streams_previews_and_stops_with_what_it_has(visit):
    page = visit.page
    page.locator("#cx-animate-run").click()
    expect(page.get_by_text("Choose a picture for the target first")).to_be_visible(timeout=SLOW)
    page.locator("#cx-animate-target-strip button").first.click()
    expect(page.locator("#cx-animate-target-view img").first).to_be_visible(timeout=SLOW)
    page.locator("#cx-animate-shipped").click()
    expect(page.locator("#cx-animate-clip video")).to_be_visible(timeout=SLOW)
    page.locator("#cx-animate-run").click()
    expect(page.locator("#cx-animate-strip")).to_contain_text("Result, step", timeout=2 * SLOW)
    expect(page.locator("#cx-animate-losses .cxa-terms li")).to_have_count(3)
    page.locator("#cx-animate-stop").click()
    expect(page.locator("#cx-animate-status")).to_contain_text("Stopped at step", timeout=2 * SLOW)
    expect(page.locator("#cx-animate-film video")).to_be_visible(timeout=SLOW)
    expect(page.locator("#cx-animate-run")).to_be_enabled()


def test_the_puppet_shows_its_example_and_says_which_clip_is_missing(visit):
    page = visit.page
    page.get_by_role("tab", name="Puppet").click()
    page.locator("#cx-puppet-run").click()
    status = page.locator("#cx-puppet-status")
    expect(page.get_by_text("A clip is missing: 1. Driver")).to_be_visible(timeout=SLOW)
    page.locator("#cx-puppet-cat").click()
    expect(page.locator("#cx-puppet-film video")).to_be_visible(timeout=SLOW)
    expect(status).to_contain_text("A finished example")
    expect(page.locator("#cx-puppet-new video")).to_be_visible()
