"""Mixture of experts: each token visits only some of the feed-forward experts."""
