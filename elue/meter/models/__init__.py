"""Any configuration that transformers knows, counted without weights: what `elue count` runs."""
