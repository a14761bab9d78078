"""The passes over a run: each a small module whose function takes a `Context` and a run, and returns data.

A new pass is a module here, a field of `elue.evaluation.recording.Findings`, and a line in `elue.evaluation.execute`.
"""
