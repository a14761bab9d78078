"""The baseline methods, one module each, by family."""
