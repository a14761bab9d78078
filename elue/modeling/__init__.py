"""The kit that encoder methods stand on: backbone, exits, training."""
