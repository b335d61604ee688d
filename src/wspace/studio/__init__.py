"""The studio: a page in the browser that steers a generator live, and the server behind it."""
