"""The lesson in a real browser: seven guesses, both languages, addresses, the presenter's view."""

import re

import pytest
from playwright.sync_api import expect

from cxdemo.lessons.texts import read_texts
from ui.live import WITH_GRADIO

pytestmark = [pytest.mark.browser, *WITH_GRADIO]
RIGHT = (1, 1, 1, 2, 3, 1, 0)  # the right answer of each step
STEPS = ("shift", "eye", "context", "bandwidth", "matrix", "place", "fails")
PATIENCE = 60_000
CONTROLS = """
[...document.querySelectorAll('button, input, select, textarea, a, summary')].filter((part) => {
  const box = part.getBoundingClientRect(), seen = part.checkVisibility({visibilityProperty: true});
  return seen && box.width && box.top < 768 && !part.closest('.visually-hidden');
}).map((part) => part.textContent.trim() || part.title)
"""
SIZES = {"laptop": (1280, 720), "projector": (1024, 768), "phone": (390, 844)}


@pytest.fixture
def visit(live, browser):
    """Opens an address; what the page complains about fails the test."""
    pages, errors = [], []

    def open_page(search="", *, size=SIZES["laptop"], **options):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **options
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(live.url + search)
        expect(page.locator(".cxs-head h2")).not_to_be_empty(timeout=PATIENCE)
        pages.append(context)
        return page

    yield open_page
    for context in pages:
        context.close()
    assert errors == []


@pytest.mark.parametrize(
    ("size", "language"), [("laptop", "en"), ("projector", "zh"), ("phone", "zh")]
)
def test_seven_guesses(visit, size, language):
    page = visit(f"?lang={language}", size=SIZES[size])
    texts = read_texts("zh-CN" if language == "zh" else "en")
    for step, (name, right) in enumerate(zip(STEPS, RIGHT, strict=True), start=1):
        expect(page.locator(".cxs-head h2")).to_have_text(texts[f"{name}.title"])
        expect(page.locator(".cxs-picture image, .cxs-picture circle").first).to_be_visible()
        assert page.locator(".cxs-control > *").count() == 0  # first the guess
        page.locator(f'.cxs [data-answer="{right}"]').click()
        told = page.locator(".cxs-told")
        expect(told).to_contain_text(texts["right"])
        expect(told).not_to_contain_text(re.compile(r"\{\w+\}|\[\[|undefined|NaN"))
        expect(page.locator(".cxs-control").locator("input, button").first).to_be_visible()
        assert page.evaluate("innerWidth") >= page.evaluate("document.body.scrollWidth")
        page.locator(".cxs-next").click()
        assert f"tour={step + 1}" in page.url
    expect(page.locator(".cxs-end table tbody tr")).to_have_count(8)


def test_a_wrong_guess_is_told_and_the_numbers_are_those_of_the_picture(visit):
    page = visit("?lang=en")
    page.locator('.cxs [data-answer="0"]').click()
    expect(page.locator(".cxs-told")).to_contain_text("Not quite.")
    numbers = page.locator(".cxs-picture .cxs-number").all_text_contents()
    for value in numbers:
        expect(page.locator(".cxs-told")).to_contain_text(value)
    page.locator(".cxs-control input").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".cxs-told")).to_contain_text("At 9 pixels")
    assert page.locator(".cxs-picture .cxs-number").all_text_contents() != numbers


def test_arrow_keys_turn_the_pages_and_back_and_forward_follow(visit):
    page = visit("?lang=en")
    page.locator("body").press("ArrowRight")
    page.locator("body").press("ArrowRight")
    expect(page).to_have_url(re.compile("tour=3"))
    page.go_back()
    expect(page.locator(".cxs-head h2")).to_have_text(read_texts("en")["eye.title"])
    page.go_forward()
    expect(page.locator(".cxs-head h2")).to_have_text(read_texts("en")["context.title"])
    page.get_by_role("tab", name="Loss lab").click()
    expect(page).to_have_url(re.compile("tab=loss-lab"))
    page.go_back()
    expect(page.locator(".cxs-head h2")).to_be_visible()
    expect(page).to_have_url(re.compile("tour=3"))


def test_an_address_opens_a_section(visit, live):
    page = visit("?lang=en")
    page.goto(f"{live.url}?tab=loss-lab&section=rivals")
    section = page.get_by_role("tab", name="Rivals", exact=True)
    expect(section).to_have_attribute("aria-selected", "true", timeout=PATIENCE)
    page.get_by_role("tab", name="Special cases", exact=True).click()
    expect(page).to_have_url(re.compile("section=special-cases"))
    page.go_back()
    expect(section).to_have_attribute("aria-selected", "true")


def test_the_browsers_language_the_switch_and_the_address(visit):
    page = visit(locale="zh-CN")
    expect(page.locator(".cxs-head h2")).to_have_text(read_texts("zh-CN")["shift.title"])
    expect(page.get_by_role("tab", name="损失实验室")).to_be_visible()
    page.locator(".cx-language").click()
    expect(page.locator(".cxs-head h2")).to_have_text(read_texts("en")["shift.title"])
    expect(page.get_by_role("tab", name="Loss lab")).to_be_visible()
    assert "lang=en" in page.url


def test_the_presenters_view_shows_the_step_alone(visit):
    page = visit("?tour=3&present=1&lang=en")
    expect(page.locator(".cxs-head h2")).to_have_text(read_texts("en")["context.title"])
    expect(page.locator("#cx-tabs [role=tablist]").first).not_to_be_visible()
    sized = "getComputedStyle(document.querySelector('.cxs-say')).fontSize"
    assert float(page.evaluate(sized).removesuffix("px")) >= 24
    page.keyboard.press("ArrowRight")
    expect(page.locator(".cxs-head h2")).to_have_text(read_texts("en")["bandwidth.title"])
    page.keyboard.press("Escape")
    expect(page.locator("#cx-tabs [role=tablist]").first).to_be_visible()
    assert "present" not in page.url


def test_a_printed_step_has_its_figure_and_no_buttons(visit):
    page = visit("?tour=5&lang=en")
    page.emulate_media(media="print")
    expect(page.locator(".cxs-picture")).to_be_visible()
    expect(page.locator(".cxs-next")).not_to_be_visible()
    expect(page.locator(".cxs-ask")).not_to_be_visible()
    assert page.pdf().startswith(b"%PDF")


def test_a_word_lights_up_what_it_names(visit):
    page = visit("?lang=en")
    page.locator('.cxs-word[data-names="copy"]').hover()
    expect(page.locator(".cxs-lit")).to_have_count(1)
    assert page.locator(".cxs-lit").get_attribute("data-part") == "copy"


def test_the_first_sight_has_few_controls(visit):
    page = visit("?lang=en", size=(1366, 768))
    expect(page.locator(".cx-language")).to_be_visible()
    shown = page.evaluate(CONTROLS)
    assert len(shown) <= 12, shown
