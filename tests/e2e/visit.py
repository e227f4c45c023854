"""A page in a real browser, and what it asked for and complained about."""

from playwright.sync_api import expect

SLOW = 60_000  # milliseconds; for what waits for the network's first step
SOON = 20_000
expect.set_options(timeout=SOON)
SOURCE_CHANGED = "([id, old]) => document.querySelector(`#${id} img`)?.src !== old"


class Visit:
    """A page, and everything that it asked for and complained about."""

    def __init__(self, browser, app, *, path="?tab=style-transfer", **options):
        self.page = browser.new_context(**options).new_page()
        self.page.set_default_timeout(SOON)
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)
        self.page.goto(app.url + path)
        expect(self.page.locator(".cx-chip").first).to_be_visible(timeout=SLOW)

    def _note(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def source(self, elem_id):
        image = self.page.locator(f"#{elem_id} img")
        return image.first.get_attribute("src") if image.count() else None

    def wait_for_new(self, elem_id, old, timeout=SOON):
        self.page.wait_for_function(SOURCE_CHANGED, arg=[elem_id, old], timeout=timeout)
        return self.source(elem_id)

    def upload(self, elem_id, path):
        clear = self.page.locator(f"#{elem_id} button[aria-label='Remove Image']")
        if clear.count():
            clear.click()
        self.page.locator(f"#{elem_id} input[type=file]").set_input_files(path)

    def type_option(self, name, value):
        field = self.page.locator(f"#cx-option-{name} input[type=number]")
        field.fill(str(value))
        field.press("Tab")

    def set_number(self, elem_id, value):
        """Types a number; again, if the page was still being built and took it back."""
        field = self.page.locator(f"#{elem_id} input[type=number]")
        for _ in range(5):
            field.fill(str(value))
            field.press("Tab")
            self.page.wait_for_timeout(300)
            if field.input_value() == str(value):
                return
        expect(field).to_have_value(str(value))

    def click_picture(self, elem_id, x, y):
        box = self.page.locator(f"#{elem_id} img").bounding_box()
        self.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def check_clean(self):
        local = ("http://127.0.0.1:", "data:", "blob:")
        assert [url for url in self.requests if not url.startswith(local)] == []
        assert self.errors == []
