"""Names of things in English and Korean."""

from nunbit.evidence.names import Lexicon
from nunbit.perception.image_names import name_table
from nunbit.world.names import korean, korean_thing, table
from nunbit.world.tsv import rows


def test_whatever_perception_names_has_a_korean_name():
    assert not [r.everyday for r in name_table() if korean(r.everyday) == r.everyday]


def test_rarer_names_are_none_that_the_makers_draw():
    rarer = rows("rarer_names")
    assert len({r["en"] for r in rarer}) == len(rarer) and not {r["en"] for r in rarer} & {*table()}
    assert korean_thing("orange") == "오렌지" != korean("orange")


def test_a_rarer_name_is_recognised_in_a_korean_answer():
    [mention] = Lexicon(("beehive", "dog")).mentions("벌집이 있습니다.")
    assert "beehive" in mention.names
