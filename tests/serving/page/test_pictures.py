"""Pictures on the page: added, drawn on, looked at by perception, and found again in the answer."""

from PIL import Image
from tests.serving.page.support import ANSWER, add, ask, drag, drawing, drop, opened_uri, pictures_of, until, uri


def test_drawing_changes_what_is_sent_by_mouse_and_by_keys(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is this?")
    drag(page)
    ask(page, "And this?")
    for pen in ("arrow", "free"):
        page.click(f"[data-pen={pen}]")
        drag(page, (0.1, 0.1), (0.3, 0.8))
    page.click("[data-pen=box]")
    page.focus("#canvas")
    for key in "Enter ArrowRight ArrowRight ArrowDown Shift+ArrowDown Enter Enter ArrowUp Escape".split():
        page.keyboard.press(key)
    assert "Mark placed" in page.locator("#live").inner_text()
    ask(page, "And that?")
    pictures = pictures_of(stub.chats[-1]["messages"])
    assert len(pictures) == 3 == len(set(pictures))
    plain, circled = (opened_uri(p).convert("RGB") for p in pictures[:2])
    assert plain.size == circled.size and plain.getpixel((176, 96)) != circled.getpixel((176, 96)), (
        "the top of the circle"
    )
    for _ in range(3):
        page.click("#undo")
    ask(page, "As before?")
    assert pictures_of(stub.chats[-1]["messages"])[-1] == pictures[1]
    page.click("#wipe")
    assert page.locator("#wipe").is_disabled()
    page.click("#undo")
    assert page.locator("#wipe").is_enabled(), "clearing can be undone"


def test_several_pictures_dropped_pasted_photographed_and_removed(open_page, stub, tmp_path):
    page = open_page(stub.url)
    drop(page, "#view", [["a.png", "image/png", uri(drawing())], ["b.png", "image/png", uri(drawing((64, 64)))]])
    page.locator("#thumbs .tile").nth(1).wait_for()
    page.evaluate(
        """body => { const d = new DataTransfer(), bytes = Uint8Array.from(atob(body), c => c.charCodeAt(0));
             d.items.add(new File([bytes], "p.png", {type: "image/png"}));
             document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true})); }""",
        uri(drawing((90, 40))).split(",")[1],
    )
    page.locator("#thumbs .tile").nth(2).wait_for()
    page.locator(".shoot:visible").last.click()
    until(page, "document.querySelector('video').videoWidth > 0 && document.querySelector('dialog').open")
    page.click("[data-take]")
    page.locator("#thumbs .tile").nth(3).wait_for()
    Image.effect_noise((3000, 1500), 90).convert("RGB").save(tmp_path / "large.jpg", quality=60)
    page.set_input_files("#file", str(tmp_path / "large.jpg"))
    page.locator("#thumbs .tile").nth(4).wait_for()
    page.locator("#thumbs .tile").nth(1).click()
    page.click("text=Remove Image 2")
    assert page.locator("#thumbs .tile").count() == 4
    page.locator("#undoable button").first.click()
    assert page.locator("#thumbs .tile").count() == 5, "a removed picture can be brought back"
    page.click("text=Remove Image 2")
    ask(page, "What are these?")
    pictures = pictures_of(stub.chats[0]["messages"])
    sizes = [opened_uri(p).size for p in pictures]
    assert len(sizes) == 4 and sizes[:2] == [(320, 240), (90, 40)] and sizes[3] == (2048, 1024)
    assert all(p.startswith("data:image/jpeg") for p in pictures[2:])


def test_never_more_pictures_than_the_server_takes(open_page, stub, picture):
    page = open_page(stub.url)
    page.set_input_files("#file", [picture] * 9)
    page.locator("#thumbs .tile").nth(7).wait_for()
    assert "8" in page.locator("#notice").inner_text() and page.locator("#thumbs .tile").count() == 8
    ask(page, "Which?")
    drag(page)
    ask(page, "And now?")
    assert len(pictures_of(stub.chats[-1]["messages"])) == 8 and "left out" in page.locator(".guard").last.inner_text()


def test_tabs_show_what_perception_found(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    page.click("#tab-boxes")
    page.wait_for_selector("#marks .plate")
    assert page.locator("#marks .plate").count() == 4 and "1 cat" in page.locator("#found").inner_text()
    page.locator("#found button").first.click()
    assert page.locator("#marks .lit").count() == 1
    page.click("#tab-crayon")
    assert page.locator("#overlay").is_visible() and "1 cat" in page.locator("#found").inner_text()
    page.press("#tab-crayon", "ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-plain"
    page.press("#tab-plain", "ArrowRight")
    page.press("#tab-boxes", "ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-relations"
    assert page.locator(".graph .node").count() == 2 and "1 cat is left of 2 car" in page.locator("#found").inner_text()
    page.locator("#found button").first.click()
    assert page.locator(".graph .edge.lit").count() == 1
    page.click("#tab-text")
    assert "STOP" in page.locator("#found").inner_text() and page.locator("#marks .read").count() == 2
    page.press("#tab-text", "Home")
    assert page.locator("#tab-plain").get_attribute("aria-selected") == "true" and page.locator("#pens").is_visible()
    assert [p for p, _ in stub.asked] == ["/v1/perceive"], "one look a picture"


def test_names_in_an_answer_show_their_boxes(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    page.wait_for_selector(".thing")
    assert [t.inner_text() for t in page.locator(".thing").all()] == ["cat", "cars", "고양이", "STOP"]
    assert page.locator(".answer-words").inner_text() == ANSWER
    for at, boxes in ((0, 1), (1, 2), (2, 1), (3, 1)):
        page.locator(".thing").nth(at).click()
        assert page.locator("#marks .lit").count() == boxes
    page.locator(".thing").last.click()
    assert page.locator("#marks .lit").count() == 0 and page.locator("#marks").inner_html() == ""


def test_a_server_without_perception_is_asked_once(open_page, stub, picture):
    stub.blind = True
    page = open_page(stub.url, errors=["501"])
    add(page, picture)
    ask(page, "What is there?")
    ask(page, "And?")
    assert page.locator("#notice").is_hidden() and sum(p == "/v1/perceive" for p, _ in stub.asked) == 1
    assert "cannot look for objects" in page.locator("#found").inner_text()
    page.click("#tab-boxes")
    until(page, "document.querySelector('#found').innerText.includes('cannot look for objects')")
