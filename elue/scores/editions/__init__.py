"""The editions that come with the standard, one TOML each; see `elue.scores.edition`."""
