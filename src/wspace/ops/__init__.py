"""Operators that know no network: convolutions, filters, resampling, normalisation.

Each fast form stands beside its plain form, and a slow reference stands in its test. Which form
runs is asked in `choose`, by name. "Phase" means one thing here, the polyphase part of a signal:
every up-th row and column of maps that were enlarged up times.
"""
