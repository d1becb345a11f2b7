"""The tests of the Responses API, through a gateway in front of the same server."""

from tests.serving.test_responses_api import (  # noqa: F401 (collected here, with this folder's `running`)
    client,
    test_a_conversation_goes_back_to_earlier_responses,
    test_a_forced_call_is_streamed,
    test_a_stream_has_the_events_that_clients_wait_for,
    test_an_answer_that_is_cut_is_incomplete,
    test_functions_are_called_and_their_results_go_back,
    test_text_instructions_and_chat_completions_agree,
    test_the_answer_and_its_usage_are_those_of_the_library,
    wanted,
)
