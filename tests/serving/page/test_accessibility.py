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
    assert page.locator("#found button").all_inner_texts()[:2] == ["1 고양이", "2 자동차, 빨간색"]
    page.click("#tray summary")
    page.click(".figures summary")
    for tab in ("boxes", "relations", "crayon", "text", "plain"):
        page.click(f"#tab-{tab}")
        assert english_in(page) <= set("STOP".split()), tab
    for opened in ("#served", "#options"):
        page.click(opened)
        assert english_in(page) <= set("STOP nunbit small API".split()), opened
    page.select_option("#theme", "dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    page.wait_for_selector("#light.on", state="attached")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark != light
    assert page.locator("#send").inner_text() == "질문하기"


def english_in(page):
    """English words that are seen, without names of the product and its formats, and without what the model said."""
    parts = "header, .sheet:popover-open, #panes, #look, #talk-head, .foot, .legend, .edit, #below, #welcome"
    visible = " ".join(page.locator(parts).all_inner_texts())
    known = "Nunbit English stub model JSON Markdown Lines question answer image".split()
    return set(re.findall("[A-Za-z]{3,}", visible)) - set(known)


@pytest.mark.parametrize("locale", ["ko-KR", "en-US"])
def test_phone_width_in_the_dark(open_page, stub, picture, locale):
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    page = open_page(stub.url, locale=locale, color_scheme="dark", **phone)
    narrow = "document.documentElement.scrollWidth <= 360"
    assert page.evaluate(narrow)
    page.set_input_files("#file", [picture] * 8)
    page.locator("#thumbs .tile").nth(7).wait_for(state="attached")
    ask(page, "길" * 60 + " " + "W" * 80)
    page.wait_for_selector(".thing")
    small = """[...document.querySelectorAll('button, select, input, summary, a')]
        .filter(e => e.checkVisibility() && !e.matches('.thing, .skip'))
        .map(e => [e.id || e.className || e.textContent, (e.labels && e.labels[0] || e).getBoundingClientRect()])
        .filter(([, r]) => r.width < 44 || r.height < 44).map(([n, r]) => n + ' ' + r.width + 'x' + r.height)"""
    assert page.evaluate(small) == []
    page.click("#pane-look")
    page.evaluate("document.querySelector('#tray').open = true")
    for view in ("boxes", "crayon", "relations", "text", "plain"):
        page.click(f"#tab-{view}")
        assert page.evaluate(narrow) and page.evaluate(small) == [], view
    box = page.locator("#ask").bounding_box()
    assert box["y"] + box["height"] <= 741, "the question is at hand"
    page.click("#options")
    assert page.evaluate(small) == []


def test_keyboard_alone_and_everything_has_a_name(open_page, stub, picture):
    page = open_page(stub.url, color_scheme="dark")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.type("What is there?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#notice:visible")
    add(page, picture)
    page.press("#question", "Enter")
    page.wait_for_selector(".foot")
    assert page.evaluate("document.activeElement.id") == "question"
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
    assert set("question canvas circle tab-plain language served options k save-json steps clear".split()) <= set(seen)
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
