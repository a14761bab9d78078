"""Evaluation: what is asked, what is due, and the workers that answer it; every run ends in a record."""
