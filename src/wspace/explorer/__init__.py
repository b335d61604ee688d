"""Models as web pages that draw in the visitor's browser, with no server."""
