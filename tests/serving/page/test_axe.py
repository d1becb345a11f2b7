"""axe-core finds no violation on the page, and borders stand out: both schemes, both languages, desktop and phone.

axe-core (MPL-2.0) is not part of the repository: ``make page-checks`` fetches the pinned version. Without it its test
is skipped, and the checks of our own remain.
"""

import pytest
from tests.serving.page.support import SCENE, add, ask, drag
from tests.serving.page.test_points import PHONE
from tools.page_checks import axe_source

from nunbit.evidence import claims_of
from nunbit.evidence.wording import report
from nunbit.scene import Scene

MODES = {
    "desktop, light, English": {},
    "desktop, dark, Korean": {"locale": "ko-KR", "color_scheme": "dark"},
    "phone, light, Korean": {"locale": "ko-KR", **PHONE},
    "phone, dark, English": {"color_scheme": "dark", **PHONE},
}
VIOLATIONS = "axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html).slice(0, 3)]))"
BORDERS = """(() => {
    const parts = c => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const linear = v => (v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4);
    const light = c => { const [r, g, b] = c.slice(0, 3).map(linear);
        return .2126 * r + .7152 * g + .0722 * b; };
    const ground = e => { for (; e; e = e.parentElement) { const p = parts(getComputedStyle(e).backgroundColor);
        if ((p[3] ?? 1) === 1) return p; } return [255, 255, 255]; };
    const weak = [];
    for (const e of document.querySelectorAll('button, input, select, form, summary, section, div')) {
        const s = getComputedStyle(e), p = parts(s.borderTopColor);
        if (!e.checkVisibility() || !parseFloat(s.borderTopWidth) || (p[3] ?? 1) === 0 || e.disabled) continue;
        const [a, b] = [light(p), light(ground(e.parentElement))].sort((x, y) => y - x);
        if ((a + .05) / (b + .05) < 3) weak.push((e.id || e.className) + ' ' + s.borderTopColor); }
    return weak; })()"""


def states(page, stub, picture, phone):
    """Bring the page into one state after the other, and name each."""
    yield "empty"
    page.click("#served")
    yield "limits"
    page.keyboard.press("Escape")
    page.fill("#question", "What is there?")
    page.press("#question", "Enter")
    yield "a picture is missing"
    add(page, picture)
    ask(page, "What is there?")
    page.wait_for_selector(".thing")
    page.locator(".figures summary").click()
    yield "answered"
    page.locator(".edit").click()
    yield "editing"
    page.keyboard.press("Escape")
    if phone:
        page.click("#pane-look")
    page.evaluate("document.querySelector('#tray').open = true")
    page.click("[data-pen=box]")
    drag(page)
    yield "drawn"
    for view in ("boxes", "relations", "text", "crayon"):
        page.click(f"#tab-{view}")
        yield view
    page.click("#options")
    yield "settings"
    page.keyboard.press("Escape")
    page.evaluate("document.querySelector('#clear').click()")
    yield "cleared"


@pytest.mark.parametrize("mode", MODES)
def test_axe_finds_no_violation_and_borders_stand_out(open_page, stub, picture, mode):
    answer = "There is a cat and no car."
    stub.say = lambda question: answer
    stub.evidence = report(claims_of("What is there?", answer, [Scene.from_json(SCENE)]))
    source = axe_source()
    page = open_page(stub.url, reduced_motion="reduce", **MODES[mode])
    for state in states(page, stub, picture, "phone" in mode):
        assert page.evaluate(BORDERS) == [], state
        if source is None:
            continue
        page.evaluate(source)
        assert page.evaluate(VIOLATIONS) == [], state
    if source is None:
        pytest.skip("axe-core is not here: make page-checks fetches it")
