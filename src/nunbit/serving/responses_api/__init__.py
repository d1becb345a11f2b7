"""The Responses API of OpenAI, ``/v1/responses``: read into a chat request, answered by the same engine, written as
items."""
