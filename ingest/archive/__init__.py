"""Files of events: reading, rebasing and pushing them."""
