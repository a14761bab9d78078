"""The kit that methods stand on: packed encoders, exits, kept tokens, experts, readers, cascades, and training."""
