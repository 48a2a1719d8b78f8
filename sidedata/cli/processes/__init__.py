"""`sidedata up` and `sidedata demo`: a tree of child processes."""
