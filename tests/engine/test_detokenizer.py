"""Ids to text that can no longer change, and stop strings."""

from nunbit.engine.detokenizer import Detokenizer


class Letters:
    """A tokenizer of one letter a token."""

    def decode(self, ids, skip_special_tokens=True):
        return "".join(map(chr, ids))


def test_stop_strings_never_show_even_in_part():
    detokenizer, pieces = Detokenizer(Letters(), ["END", "\n\n"]), []
    for c in "one EN two\nthree END four":
        pieces.append(detokenizer.add(ord(c)))
        if detokenizer.stopped:
            break
    pieces.append(detokenizer.finish())
    assert "".join(pieces) == detokenizer.text == "one EN two\nthree "


def test_hangul_comes_in_whole_syllables():
    import unicodedata

    detokenizer, pieces = Detokenizer(Letters()), []
    for c in unicodedata.normalize("NFD", "안녕하세요"):
        pieces.append(detokenizer.add(ord(c)))
    assert "".join(pieces) + detokenizer.finish() == "안녕하세요" and all("가" <= c <= "힣" for s in pieces for c in s)


class Words(Letters):
    """A decoder that drops a space at the beginning, as those of SentencePiece do."""

    def decode(self, ids, skip_special_tokens=True):
        return super().decode(ids).removeprefix(" ")


def test_a_continued_text_keeps_the_white_space_at_the_ends_of_its_continuation():
    for said in (" the dog \n", "\n\tcode  ", "s", "  "):
        kept = Detokenizer(Words(), continues=[*map(ord, "What is")])
        assert "".join(kept.add(ord(c)) for c in said) + kept.finish() == said
        own = Detokenizer(Words())
        for c in said:
            own.add(ord(c))
        own.finish()
        assert own.text == said.strip()
