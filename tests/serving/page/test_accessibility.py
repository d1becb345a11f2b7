"""The page for everybody: languages, themes, phones, keyboards, contrast."""

import re

import pytest
from tests.serving.page.support import add, ask


def test_languages_and_themes(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#language")
    assert page.evaluate("document.documentElement.lang") == "ko" and page.locator("#send").inner_text() == "질문하기"
    page.click("#tab-boxes")
    assert "1. 고양이" in page.locator("#found").inner_text() and "토큰" in page.locator(".facts").inner_text()
    visible = " ".join(page.locator(part).inner_text() for part in ("header", "#look", "#talk-head", ".facts", "#ask"))
    assert set(re.findall("[A-Za-z]{3,}", visible)) <= set(
        "Nunbit English stub model red blue STOP and three cars question answer image JSON Lines".split()
    )
    page.click("#theme")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    page.wait_for_selector("#light.on", state="attached")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark != light
    assert page.locator("#send").inner_text() == "질문하기"


@pytest.mark.parametrize("locale", ["ko-KR", "en-US"])
def test_phone_width_in_the_dark(open_page, stub, picture, locale):
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    page = open_page(stub.url, locale=locale, color_scheme="dark", **phone)
    narrow = "document.documentElement.scrollWidth <= 360"
    assert page.evaluate(narrow)
    page.set_input_files("#file", [picture] * 8)
    page.locator(".thumb").nth(7).wait_for()
    ask(page, "길" * 60 + " " + "W" * 80)
    page.wait_for_selector(".thing")
    page.click("#options")
    page.evaluate("document.querySelector('#tray').open = true")
    for view in ("boxes", "crayon", "relations", "text", "plain"):
        page.click(f"#tab-{view}")
        assert page.evaluate(narrow), view
    box = page.locator("#ask").bounding_box()
    assert box["y"] + box["height"] <= 741, "the question is at hand"
    small = """[...document.querySelectorAll('button')].filter(e => e.offsetWidth && !e.classList.contains('thing'))
               .filter(e => e.offsetWidth < 24 || e.offsetHeight < 24).map(e => e.id || e.className)"""
    assert page.evaluate(small) == []


def test_keyboard_alone_and_everything_has_a_name(open_page, stub, picture):
    page = open_page(stub.url, color_scheme="dark")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.type("What is there?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".facts")
    assert page.evaluate("document.activeElement.id") == "question"
    add(page, picture)
    page.click("#options")
    page.evaluate("document.querySelector('#tray').open = true")
    page.evaluate("document.activeElement.blur()")
    seen, unseen = [], []
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate("""(() => { const e = document.activeElement, s = getComputedStyle(e);
            return [e.id || e.dataset.pen || e.className || e.tagName, s.outlineStyle + s.boxShadow]; })()""")
        if here[0] in seen[:1]:
            break
        seen.append(here[0])
        if here[1] == "nonenone" and here[0] not in ("BODY", "question"):
            unseen.append(here[0])
    assert set("question send canvas circle tab-plain language theme options key k save-json".split()) <= set(seen)
    assert unseen == [], "focus that cannot be seen"
    kinds = "button,input:not([hidden]),textarea,select,[role=tab],canvas,video,dialog"
    nameless = f"""[...document.querySelectorAll('{kinds}')]
        .filter(e => !(e.textContent.trim() || e.ariaLabel || e.title || (e.labels && e.labels.length)))
        .map(e => e.outerHTML)"""
    assert page.evaluate(nameless) == []
    assert page.evaluate("[...document.querySelectorAll('img')].every(e => e.hasAttribute('alt'))")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out(open_page, stub, picture, scheme):
    """WCAG AA: 4.5 to 1, for the pairs of colours the page writes with."""
    page = open_page(stub.url, color_scheme=scheme)
    pairs = [
        ("ink", "back"),
        ("ink", "card"),
        ("quiet", "back"),
        ("quiet", "card"),
        ("accent", "card"),
        ("accent", "soft"),
        ("on-accent", "accent"),
        ("warn", "warn-soft"),
        ("ink", "soft"),
        ("quiet", "well"),
    ]
    value = page.evaluate(
        "names => names.map(n => getComputedStyle(document.documentElement).getPropertyValue('--' + n).trim())",
        sorted({n for p in pairs for n in p}),
    )
    colours = dict(zip(sorted({n for p in pairs for n in p}), map(luminance, value), strict=True))
    for a, b in pairs:
        high, low = max(colours[a], colours[b]), min(colours[a], colours[b])
        assert (high + 0.05) / (low + 0.05) >= 4.5, (a, b)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
