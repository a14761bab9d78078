"""The passes over a run: each a small module whose function takes a `Context` and a run, and returns data.

A new pass is a module here and a row in `elue.evaluation.passes.table`.
"""
