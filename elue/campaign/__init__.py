"""Campaigns: one file that describes a board, and what is done to make it."""
