"""Pages: one module each, what stands on it and nothing of how it looks."""
