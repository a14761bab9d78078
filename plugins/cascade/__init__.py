"""Cascades: a larger model runs only where a smaller one is unsure."""
