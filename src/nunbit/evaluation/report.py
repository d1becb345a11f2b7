"""One HTML file about finished runs: a table, charts per category, differences, and every sample with picture,
prompt, answer and rule.

The file needs nothing else: styles, script and small pictures are inside, and its policy lets it load nothing. All
text from data and models is escaped. Pictures are read from the data again, and shown only where their hash is still
the one that was asked.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation import judging
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.charts import bars, radar, stylesheet
from nunbit.evaluation.compare import EvalRun, compare
from nunbit.evaluation.report_words import in_words
from nunbit.html_page import html_page, inline_picture
from nunbit.translation import Language

_SCRIPT = Path(__file__).parent / "report.js"
_THUMB_PX = 320


Words = Callable[[str], str]
"""A phrase of the page in the reader's language."""


def page(runs: Sequence[EvalRun], *, samples: int = 300, language: Language = "en") -> str:
    """The whole page.

    Args:
        language: of everything that is not data.
        samples: at most so many items of each benchmark, those first on which the runs differ, then evenly over the
            data.
    """
    together: dict[str, list[EvalRun]] = defaultdict(list)
    for run in runs:
        together[run.benchmark].append(run)
    say: Words = partial(in_words, language=language)
    body = [_overview(runs, say), _chart(runs, say)]
    body += [_section(name, part, samples, say) for name, part in together.items()]
    return html_page(
        say("nunbit evaluation"),
        f"<h1>{say('Evaluation')}</h1>{''.join(body)}",
        style=stylesheet(),
        script=_SCRIPT.read_text(encoding="utf-8"),
        language=language,
    )


def _overview(runs: Sequence[EvalRun], say: Words) -> str:
    rows = []
    for run in runs:
        r = run.result
        interval = f"{r['interval'][0]:.1f} – {r['interval'][1]:.1f}" if r["interval"] else ""
        value = f"{r['value']:.2f}" if r["value"] is not None else say("no gold answers")
        rows.append(
            f"<tr><td>{escape(r['model'])}</td><td>{escape(r['protocol'])}</td><td>{escape(r['headline'])}</td>"
            f"<td class=num>{value}</td><td class=num>{interval}</td><td class=num>{r['items']}</td>"
            f"<td class=num>{r['unparsed']}</td></tr>"
        )
    heads = "".join(f"<th>{say(head)}</th>" for head in ("Model", "Protocol", "Figure"))
    heads += "".join(f"<th class=num>{say(head)}</th>" for head in ("Value", "95 %", "Items", "Unparsed"))
    return f"<div class=scroll><table><tr>{heads}</tr>{''.join(rows)}</table></div>"


def _chart(runs: Sequence[EvalRun], say: Words) -> str:
    """All headlines that are shares of a hundred in one chart: a group a protocol, a bar a model."""
    shares = [
        r for r in runs if r.result["value"] is not None and 0 <= r.result["value"] <= 100 and r.result["interval"]
    ]
    if len(shares) < 2:
        return ""
    by_model: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for r in shares:
        by_model[r.result["model"]][r.result["protocol"]] = {
            "n": r.result["items"],
            "score": r.result["value"],
            "interval": r.result["interval"],
        }
    legend = "".join(f'<p><span class="dot run{k % 6}"></span>{escape(m)}</p>' for k, m in enumerate(by_model))
    return f'<h2>{say("Side by side")}</h2>{legend}<div class="charts">{bars([*by_model.values()], [*by_model])}</div>'


def _section(name: str, runs: Sequence[EvalRun], samples: int, say: Words) -> str:
    title = BENCHMARKS[name].title if name in BENCHMARKS else name
    out = [f"<h2>{escape(title)}</h2>"]
    for k, run in enumerate(runs):
        figures = " · ".join(f"{escape(n)} {v:.2f}" for n, v in run.result["figures"].items())
        out.append(f'<p><span class="dot run{k % 6}"></span>{escape(run.name)}</p>')
        out.append(f'<p class="soft">{escape(run.result.get("note", ""))}. {figures}</p>')
        if left := run.result.get("left_out", {}).get("refused"):
            named = "; ".join(f"{id_}: {why[:200]}" for id_, why in [*left.items()][:20])
            count = run.result["left_out"]["items"]
            out.append(f'<p class="soft">{escape(say(f"Left out: {count} items"))} ({escape(named)})</p>')
        if run.result.get("agreement"):
            out.append(f'<p class="soft">{escape(judging.as_text(run.result["agreement"]))}.</p>')
    names = [r.name for r in runs]
    for axis in dict.fromkeys(a for r in runs for a in r.result["tables"]):
        tables = [r.result["tables"].get(axis, {}) for r in runs]
        if 1 < len({c for t in tables for c in t}) <= 60:
            out.append(f"<h3>{escape(say(f'by {axis}'))}</h3>")
            out.append(f'<div class="charts">{bars(tables, names)}{radar(tables, names)}</div>')
    if len(runs) == 2:
        out.append(_difference(runs[0], runs[1], say))
    return "".join(out) + _browse(runs, samples, say)


def _difference(a: EvalRun, b: EvalRun, say: Words) -> str:
    try:
        found = compare(a, b)
    except UserError as e:
        return f'<p class="soft">{escape(say(e.given))}</p>'
    all_ = found["all"]
    exact = f"; McNemar p = {all_['mcnemar']:.3f}" if all_["mcnemar"] is not None else ""
    notes = "".join(f'<p class="soft">{escape(say(f"note: {n}"))}.</p>' for n in found["notes"])
    low, high = all_["interval"]
    figures = (
        f"Second minus first: {all_['difference']:+.2f} [{low:+.2f}, {high:+.2f}] over {all_['n']} units, "
        f"paired bootstrap p = {all_['p']:.3f}{exact}"
    )
    better = f"Better only in the first: {all_['only_a']}, only in the second: {all_['only_b']}"
    return f"<h3>{say('Difference')}</h3>{notes}<p>{escape(say(figures))}. {escape(say(better))}.</p>"


def _browse(runs: Sequence[EvalRun], most: int, say: Words) -> str:
    by_id: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for k, run in enumerate(runs):
        for s in run.samples:
            by_id[s["id"]][k] = s
    ids = _chosen(by_id, most)
    pictures = _thumbnails(runs, {*ids})
    categories = sorted(
        {c for i in ids for s in by_id[i].values() for names in s["categories"].values() for c in names}
    )
    options = "".join(f"<option>{escape(c)}</option>" for c in categories)
    states = [
        ("", "all"),
        ("wrong", "wrong"),
        ("unparsed", "unparsed"),
        ("right", "right"),
        *([("differ", "runs differ")] if len(runs) > 1 else []),
    ]
    choose = "".join(f'<option value="{v}">{say(t)}</option>' for v, t in states)
    body = "".join(_sample(i, by_id[i], pictures.get(i), runs, say) for i in ids)
    cut = say(f"{len(ids)} of {len(by_id)} items are in this file") + "." if len(ids) < len(by_id) else ""
    return (
        f'<h3>{say("Samples")}</h3><p class="soft">{cut}</p><div class="browse"><div class="filters">'
        f'<select aria-label="{say("Outcome")}">{choose}</select>'
        f'<select aria-label="{say("Category")}"><option value="">{say("every category")}</option>{options}</select>'
        f'<input type="search" placeholder="{say("words")}" aria-label="{say("words")}">'
        '<span class="count soft"></span></div>'
        f"{body}</div>"
    )


def _chosen(by_id: Mapping[str, Mapping[int, Mapping[str, Any]]], most: int) -> list[str]:
    """Ids in the order of the data: where runs differ first, the rest drawn evenly."""
    ids = [*by_id]
    if len(ids) <= most:
        return ids
    differ = [i for i in ids if len({s["score"] for s in by_id[i].values()}) > 1][:most]
    rest = [i for i in ids if i not in {*differ}]
    left = most - len(differ)
    kept = {*differ, *(rest[k * len(rest) // left] for k in range(left))}
    return [i for i in ids if i in kept]


def _state(sample: Mapping[str, Any]) -> str:
    if sample["value"] is None:
        return "unparsed"
    if sample["score"] is None:
        return "unscored"
    return "right" if sample["score"] >= 0.5 else "wrong"


def _sample(
    id_: str,
    answers: Mapping[int, Mapping[str, Any]],
    pictures: Sequence[str] | None,
    runs: Sequence[EvalRun],
    say: Words,
) -> str:
    first = next(iter(answers.values()))
    states = {_state(s) for s in answers.values()}
    if len({s["score"] for s in answers.values()}) > 1:
        states.add("differ")
    names = "|".join(c for cs in first["categories"].values() for c in cs)
    if pictures:
        shown = "".join(f'<img alt="" loading="lazy" src="{p}">' for p in pictures)
    else:
        reason = "picture not available" if first["pictures"] else "no picture"
        shown = f'<div class="absent">{say(reason)}</div>'
    gold = " / ".join(first["gold"][:10])
    shown_answers = "".join(_answer(s, k, runs, say) for k, s in answers.items())
    return (
        f'<div class="sample" data-state="{" ".join(sorted(states))}" data-category="{escape(names)}">'
        f'<div>{shown}<span class="meta">{escape(id_)}</span></div>'
        f'<div><pre>{escape(first["prompt"])}</pre><p class="meta">{say("gold")}: {escape(gold)}</p>'
        f"{shown_answers}</div></div>"
    )


def _answer(sample: Mapping[str, Any], k: int, runs: Sequence[EvalRun], say: Words) -> str:
    state = _state(sample)
    answer, span = sample["answer"], sample["span"]
    if span and 0 <= span[0] < span[1] <= len(answer):
        text = f"{escape(answer[: span[0]])}<mark>{escape(answer[span[0] : span[1]])}</mark>{escape(answer[span[1] :])}"
    else:
        text = escape(answer) or '<span class="soft">(' + say("empty") + ")</span>"
    value = "" if sample["value"] is None else f"{say('read as')} “{escape(sample['value'][:200])}”, "
    score = "" if sample["score"] is None else f", {say('credit')} {sample['score']:.2f}"
    dot = f'<span class="dot run{k % 6}"></span>' if len(runs) > 1 else ""
    return (
        f'<div class="said {state}">{dot}<span class="tag">{say(state)}</span> '
        f'<span class="meta">{value}{say("rule")}: {escape(sample["rule"])}{score}</span>'
        f"<pre>{text}</pre></div>"
    )


def _thumbnails(runs: Sequence[EvalRun], ids: set[str]) -> dict[str, list[str]]:
    """Small pictures by item, from the first run whose data are still there."""
    for run in runs:
        data = run.result.get("data")
        if not data or run.benchmark not in BENCHMARKS or not Path(data).exists():
            continue
        hashes = {s["id"]: s["pictures"] for s in run.samples}
        try:
            items = BENCHMARKS[run.benchmark].read(data)
        except UserError:
            continue
        return {i.id: thumbs for i in items if i.id in ids and (thumbs := _thumbs(i.pictures, hashes.get(i.id, [])))}
    return {}


def _thumbs(pictures: Sequence[bytes], hashes: Sequence[str]) -> list[str]:
    same = [data for data in pictures if hashlib.sha256(data).hexdigest() in hashes]
    return [uri for data in same if (uri := inline_picture(data, _THUMB_PX))]
