"""Nunbit as tools for agents, over the Model Context Protocol (MCP): see, read, ask, verify and compare pictures.

    nunbit mcp --root pictures          # over stdin and stdout, as most agents start their tools
    nunbit mcp --http --port 8010       # over streamable HTTP

=============  =======================================================================================================
`results`      what the tools return, typed
`tools`        the tools
`server`       the MCP server over them
=============  =======================================================================================================

It needs the extra ``mcp`` (the protocol's official Python package).
"""
