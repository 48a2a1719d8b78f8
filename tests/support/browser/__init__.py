"""A headless Chromium, the dashboard's states and their pictures."""
