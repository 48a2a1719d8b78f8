"""`sidedata purge`: the deletion of all data of an organization or a workflow."""
