"""Charts: what they show, how they look, and how they are drawn without JavaScript."""
