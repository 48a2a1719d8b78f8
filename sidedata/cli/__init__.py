"""The command line: settings as flags, and the commands that concern the store alone."""
