"""Exit rules: when to leave, by the signals of the ways out so far, whoever trained them."""
