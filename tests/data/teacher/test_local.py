"""A language model in a folder as teacher: greedy at first, seeded after, bounded by its context."""

import pytest
from tests.families import language

from nunbit.data.teacher.base import ItemError, TeacherRequest
from nunbit.data.teacher.local import local_teacher
from nunbit.errors import UserError
from nunbit.scene import Scene


def request(attempt: int, seed: int, text: str = "hello", tokens: int = 8) -> TeacherRequest:
    shown = [{"role": "system", "content": "rules"}, {"role": "user", "content": text}]
    return TeacherRequest("i", "detail", "en", shown, Scene(8, 8), attempt, seed, tokens)


@pytest.mark.parametrize("kind", ["smollm", "gemma"])
def test_the_same_request_has_the_same_reply(kind, tmp_path):
    teacher = local_teacher(language(kind, tmp_path))
    first = teacher.ask(request(0, 1))
    assert first == teacher.ask(request(0, 2)) and first.prompt_tokens and first.reply_tokens <= 8
    assert teacher.ask(request(1, 5)) == teacher.ask(request(1, 5))
    assert len({teacher.ask(request(1, seed)).text for seed in range(6)}) > 1
    with pytest.raises(ItemError, match="in a context of 512"):
        teacher.ask(request(0, 1, "word " * 600))


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(UserError, match="cannot be opened as a teacher"):
        local_teacher(tmp_path)
