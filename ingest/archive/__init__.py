"""Archives, which are files of events: reading, rebasing, pushing."""
