"""A gateway: our API, page, perception, evidence and corrections in front of any OpenAI-compatible server.

    nunbit serve --backend http://127.0.0.1:8080/v1 --scene-prompt plain --backend-pictures replace

=============  =======================================================================================================
`options`      which backends there are, read from the command line
`backend`      one backend over HTTP: bounded retries, time-outs and sizes; its key is never shown
`connections`  the connections to a backend, used again
`wire`         JSON, counts and headers from elsewhere, read without trust
`rewriting`    a request as the backend is sent it: Scenes in words beside or instead of pictures
`streaming`    the backend's events passed on, with corrections where a request wants them
`response_events` the events of the Responses API, likewise
`schemas`      the fields of a request that the gateway itself reads
`routes`       the API over backends
`responses`    the Responses API of backends that have it
`metrics`      figures by backend
`build`        the application from the options of ``nunbit serve``
=============  =======================================================================================================
"""
