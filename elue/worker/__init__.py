"""The child process a plugin runs in, and the parent's end of it."""
