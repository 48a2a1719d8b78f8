"""The command line: settings as flags, and the commands that need neither service nor worker."""
