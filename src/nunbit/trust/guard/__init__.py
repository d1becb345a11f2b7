"""Orders to a model, hidden or plain, found in the pictures of a request before a model sees them.

=============  ===================================================================================================
`guard`        the entrance: pictures and what perception read -> a verdict
`verdict`      what was found and done, as one record that can be read and sent as JSON
`policy`       what is done about it: text marked as data, lines masked, a refusal
`views`,       the views of a picture, the lines of letters in each, and what they say
`strokes`,
`reading`
`codes`        QR codes
`judge`        which run of lines is an order to a model
`rules`,       signs of an order, and the classifier that weighs them; `words` brings text into one form
`classifier`
`maker`        made sentences that the classifier learns from (``python -m tools.fit_guard``)
=============  ===================================================================================================
"""
