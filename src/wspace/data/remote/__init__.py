"""Data that lies elsewhere, fetched once and kept: addresses, what lies there, the cache."""
