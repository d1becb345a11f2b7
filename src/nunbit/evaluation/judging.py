"""A judge beside the rules: what a second reader would have scored as right, and how often the two agree.

The score stays that of the rules.
"""

from __future__ import annotations

from collections.abc import Sequence

from nunbit.evaluation import extraction
from nunbit.evaluation.items import Item, ScoredAnswer
from nunbit.messages import Message, question

_ASK = """A reply to a question is to be marked.
Question: {question}
Right answer: {gold}
Reply: {answer}
Does the reply give the right answer? Say yes or no."""


def judge_question(item: Item, answer: str) -> list[Message]:
    """What a judge is asked about a reply.

    Lines of the question and the reply are joined, so that neither can pretend to be another field.
    """
    options = " ".join(f"{k}. {v}" for k, v in item.options.items())
    flat = {"question": f"{item.question} {options}", "gold": " or ".join(item.gold), "answer": answer}
    return question(_ASK.format(**{k: " ".join(v.split()) for k, v in flat.items()}))


def agreement(items: Sequence[Item], scored: Sequence[ScoredAnswer], verdicts: Sequence[str]) -> dict[str, float]:
    """Shares, in hundredths, of the replies with a gold answer and a verdict; Cohen's kappa (Cohen 1960) is the
    agreement beyond chance.

    Returns:
        ``n``; ``agree``; ``kappa``; ``rule_only`` and ``judge_only``, right by one of the two alone;
        ``unparsed_right``, the judge's right ones among those the rules could not read; ``no_verdict``, replies whose
        verdict was neither yes nor no (a count).
    """
    pairs, silent, unread = [], 0, []
    for item, answer, reply in zip(items, scored, verdicts, strict=True):
        if not item.gold:
            continue
        verdict = extraction.yes_no(reply).value
        if verdict is None:
            silent += 1
            continue
        pairs.append((answer.score >= 0.5, verdict == "yes"))
        if not answer.found.parsed:
            unread.append(verdict == "yes")
    n = max(1, len(pairs))
    rule, judge, same = (sum(x) / n for x in ((r for r, _ in pairs), (j for _, j in pairs), (r == j for r, j in pairs)))
    chance = rule * judge + (1 - rule) * (1 - judge)
    return {
        "n": len(pairs),
        "agree": 100 * same,
        "kappa": (same - chance) / (1 - chance) if chance < 1 else 1.0,
        "rule_only": 100 * sum(r and not j for r, j in pairs) / n,
        "judge_only": 100 * sum(j and not r for r, j in pairs) / n,
        "unparsed_right": 100 * sum(unread) / max(1, len(unread)),
        "no_verdict": silent,
    }


def as_text(found: dict[str, float]) -> str:
    """One line for a terminal and the report."""
    return (
        f"judge and rules agree on {found['agree']:.1f} % of {found['n']:.0f} replies (kappa {found['kappa']:.2f}); "
        f"right by the rules alone {found['rule_only']:.1f} %, by the judge alone {found['judge_only']:.1f} %; "
        f"{found['no_verdict']:.0f} without a verdict"
    )
