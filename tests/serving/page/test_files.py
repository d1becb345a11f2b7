"""The files of the page, without a browser: strings, names, and nothing from elsewhere."""

import re
import shutil
import subprocess

import pytest
from tests.serving.page.support import PAGE


def strings():
    """(name, English, Korean) of every entry; one text may stand on the line below the name."""
    text = (PAGE / "strings.js").read_text(encoding="utf-8")
    return re.findall(r'^  (\w+): \["((?:[^"\\]|\\.)+)",\s+"((?:[^"\\]|\\.)+)"\],$', text, re.M)


def test_every_string_has_both_languages_and_every_name_a_string():
    entries, names = strings(), {e[0] for e in strings()}
    assert len(entries) == len(names) == len(re.findall(r"^  \w+: \[", (PAGE / "strings.js").read_text(), re.M)) > 80
    for name, english, korean in entries:
        if name in ("language", "languageName", "serverSaid", "otherRelation"):
            continue
        assert re.search("[가-힣]", korean) and not re.search("[가-힣]", english.replace("비빔밥", "")), name
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", korean)), name
    code = "".join(p.read_text(encoding="utf-8") for p in PAGE.glob("*.js") if p.name != "strings.js")
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    used = set(re.findall(r'data-(?:say|title|label|hint)="(\w+)"', html)) | set(re.findall(r'say\("(\w+)"', code))
    assert used <= names
    spoken = used | set(re.findall(r'"(\w+)"', code))
    spoken |= {name + "Short" for name in spoken}
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


def test_names_of_things_are_those_of_the_package():
    from nunbit.serving.about import names_of_things

    names = names_of_things()
    assert names["cat"] == ["고양이", "cats"] and names["wolf"][1] == "wolves" and names["red"][0] == "빨간색"
    assert all(re.search("[가-힣]", ko) for ko, _ in names.values())


def test_korean_particles_follow_the_sound_before_them():
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed")
    code = """import { say, setLanguage } from "./strings.js"; setLanguage("ko");
        for (const what of ["이미지 1", "이미지 2", "고양이", "풍선"]) console.log(say("removed", { what }));
        console.log(say("leftOf", { a: "1 풍선", b: "2 개" }), say("overlapping", { a: "고양이", b: "개" }));"""
    command = [node, "--input-type=module", "-e", code]
    out = subprocess.run(command, cwd=PAGE, capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == [
        "이미지 1을 삭제했습니다.",
        "이미지 2를 삭제했습니다.",
        "고양이를 삭제했습니다.",
        "풍선을 삭제했습니다.",
        "1 풍선이 2 개의 왼쪽에 있음 고양이와 개가 겹침",
    ]


def test_reasoning_is_asked_for_in_the_words_of_the_package():
    from nunbit.prompting.chain_of_thought import CONCLUDE, THINK

    code = (PAGE / "talk.js").read_text(encoding="utf-8")
    assert all(f'"{words}"' in code for words in (*THINK.values(), *CONCLUDE.values()))
