"""The files of the page, without a browser: strings, names, and nothing from elsewhere."""

import json
import re

from tests.serving.page.support import PAGE, ROOT


def strings():
    return re.findall(
        r'^  (\w+): \["((?:[^"\\]|\\.)+)", "((?:[^"\\]|\\.)+)"\],$', (PAGE / "strings.js").read_text(), re.M
    )


def test_every_string_has_both_languages_and_every_name_a_string():
    entries = strings()
    assert len(entries) == len({e[0] for e in entries}) == (PAGE / "strings.js").read_text().count('["', 1) - 1 > 80
    for name, english, korean in entries:
        assert name in ("language", "languageName") or (
            re.search("[가-힣]", korean) and not re.search("[가-힣]", english)
        )
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", korean)), name
    code, names = "".join(p.read_text() for p in PAGE.glob("*.js")), {e[0] for e in entries}
    html = (PAGE / "index.html").read_text()
    used = set(re.findall(r'data-(?:say|title|label|hint)="(\w+)"', html)) | set(re.findall(r'say\("(\w+)"', code))
    assert used <= names
    spoken = used | set(re.findall(r'"(\w+)"', code.split("STRINGS = {")[0] + code.split("export const LANGUAGES")[1]))
    assert names <= spoken, "strings that nobody says"


def test_nothing_from_elsewhere_and_no_html_from_text():
    for file in PAGE.iterdir():
        text = file.read_text()
        if file.name == "icon.svg":
            text = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?://|\b(?:src|href)=\"//|@import|url\((?!#)", text), file
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc", text
        ), file
        assert file.suffix != ".html" or not re.search(
            r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)|javascript:", text
        ), file


def test_names_of_things_are_those_of_the_world():
    things = json.loads((ROOT / "src" / "nunbit" / "world" / "art" / "things.json").read_text())
    ours = re.findall(r'\["([^"]+)","([^"]+)","([^"]+)"\]', (PAGE / "words.js").read_text())
    assert sorted(ours) == sorted({(t["en"], t["plural"], t["ko"]) for t in things})


def test_reasoning_is_asked_for_in_the_words_of_the_package():
    from nunbit.prompting.chain_of_thought import CONCLUDE, THINK

    code = (PAGE / "app.js").read_text()
    assert all(f'"{words}"' in code for words in (*THINK.values(), *CONCLUDE.values()))
