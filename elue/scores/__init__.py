"""Scores: what a curve, a board and a method are worth, with intervals; plain data in and out."""
