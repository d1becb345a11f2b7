"""A browser, a stand-in for the API, and pages that may neither complain nor load anything from elsewhere."""

import shutil

import pytest
from tests.serving.page.support import Stub, drawing


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as p:
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = p.chromium.launch(executable_path=found, args=["--no-sandbox", *camera])
        yield browser
        browser.close()


@pytest.fixture
def stub():
    server = Stub()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def picture(tmp_path):
    drawing().save(tmp_path / "one.png")
    return str(tmp_path / "one.png")


@pytest.fixture
def open_page(browser, request):
    opened, complaints, allowed = [], [], []

    def open_page(url, errors=(), connected="#light.on", **wishes):
        allowed.extend(errors)
        context = browser.new_context(**({"locale": "en-US", "viewport": {"width": 1200, "height": 800}} | wishes))
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on(
            "request", lambda r: complaints.append(r.url) if not r.url.startswith((url, "data:", "blob:")) else None
        )
        page.goto(url)
        page.wait_for_selector(connected, state="attached")
        opened.append(context)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert [c for c in complaints if not any(a in c for a in allowed)] == []
