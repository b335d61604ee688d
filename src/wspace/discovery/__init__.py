"""Directions with names that data gives: what a judge sees is looked for in W."""
