"""The plugin that `elue init-method` writes: real modules, held to the same checks as everything else."""
