"""Keeping: which tokens a layer runs on, in padded batches for training and really removed at inference."""
