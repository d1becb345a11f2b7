"""Two runs of one benchmark compare, and the report stands alone."""

import json
import re

from tests.evaluation.stubs import small_benchmark, stub_target

from nunbit.evaluation.compare import compare, load
from nunbit.evaluation.report import page
from nunbit.evaluation.runner import run


def test_two_runs_compare_and_the_report_stands_alone(tmp_path):
    benchmark, protocol, items = small_benchmark(tmp_path)
    gold = {i.id: i.gold[0] for i in items}
    order = iter([gold[i.id] for i in items])
    run(benchmark, protocol, items, stub_target(lambda m: "A")[0], tmp_path / "a", wait_s=0)
    run(benchmark, protocol, items, stub_target(lambda m: next(order), name="gold")[0], tmp_path / "b", wait_s=0)
    found = compare(load(tmp_path / "a"), load(tmp_path / "b"))
    assert json.dumps(found)
    html = page([load(tmp_path / "a"), load(tmp_path / "b")], samples=50)
    assert (
        "http://" not in html.replace("http://www.w3.org", "") and "https://" not in html and "<script src" not in html
    )
    assert len(html) > 2000
    korean = page([load(tmp_path / "a"), load(tmp_path / "b")], samples=50, language="ko")
    text = re.sub(r"<pre>.*?</pre>|<(style|script|svg)[ >].*?</\1>|<[^>]*>", " ", korean, flags=re.DOTALL)
    assert '<html lang="ko">' in korean and 'aria-label="결과"' in korean and 'placeholder="검색어"' in korean
    assert all(word in text for word in ("평가", "차이", "둘째에서 첫째를 뺀 값", "문항 보기", "맞음", "정답"))
    assert not re.search(r"\b(Samples|Difference|Value|right|Better|items?|picture|credit)\b", text), text
