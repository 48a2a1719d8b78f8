"""`sidedata purge`: deletes what is stored of an organization or a workflow."""
