"""The measurement profiles that come with ELUE, one TOML file each."""
