"""What describes a run, for flags, YAML and Python alike. Imports no torch and no Lightning."""
