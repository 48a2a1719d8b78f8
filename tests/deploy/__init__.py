"""The files of deploy/, the image, and the packages that are installed."""
