"""ELUE: an evaluation standard and leaderboard for dynamic neural networks in NLP."""

__version__ = "0.1.0"
