"""The tests of the API with the openai package, through a gateway in front of the same server."""

from tests.serving.test_api import (  # noqa: F401 (collected here, with this folder's `running`)
    client,
    test_answers_of_a_given_form,
    test_bad_requests_get_a_sentence,
    test_completions_and_embeddings,
    test_hanging_up_stops_the_work,
    test_many_at_once_from_async_clients,
    test_marks_of_the_model_in_text_are_words,
    test_n_seed_stop_logprobs_and_limits_of_length,
    test_results_of_tools_are_turns,
    test_streams_say_the_same_and_end_with_usage,
    test_the_answer_is_that_of_the_library,
    test_unknown_fields_warn_and_change_nothing,
)
from tests.serving.test_evidence import test_a_conversation_without_pictures_has_no_claims  # noqa: F401
