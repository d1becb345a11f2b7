"""The tests of tools and of the Responses API, through a gateway in front of the same server."""

from tests.serving.test_tools import (  # noqa: F401 (collected here, with this folder's `running`)
    client,
    test_none_and_auto_answer_in_words_and_what_is_unknown_is_a_400,
    test_required_gives_calls_that_fit,
    test_streamed_calls_are_those_of_the_whole_answer,
)
