"""Records: the one JSON document of a run, its files, its packed columns, and the index over many."""
