"""Skimming: tokens that do not matter leave the encoder."""
