"""The OpenAI API over the engine: routes, perception, metrics, the web page, replicas, and a client of other servers."""
