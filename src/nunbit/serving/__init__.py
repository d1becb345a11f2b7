"""The OpenAI API over the engine: routes, perception, metrics, the web page, replicas, a client of other servers."""
