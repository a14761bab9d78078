"""The checks of a submission: one small class a concern, each with its code."""
