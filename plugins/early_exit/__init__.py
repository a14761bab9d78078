"""Early exit: a sample leaves the encoder once an exit is sure enough."""
