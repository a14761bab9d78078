"""The leaderboard: a static site built from the summaries of stored runs. It needs no server and no network."""

from elue.leaderboard.build import build

__all__ = ["build"]
