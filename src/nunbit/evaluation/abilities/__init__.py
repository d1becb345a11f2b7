"""Abilities that were shown of GPT-4V by hand-picked pictures (Yang et al., arXiv 2309.17421), as exact tests on
generated ones.

`drawings` paints what the world's domains lack, `suites` holds the questions, `score` scores, `run` reports, `layouts`
writes the suites for other harnesses.
"""

from nunbit.evaluation.abilities.suites import SUITES, Trial, trials

__all__ = ["SUITES", "Trial", "trials"]
