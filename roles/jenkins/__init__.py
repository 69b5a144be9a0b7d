"""Jenkins: validates roles, bakes images and deploys; agents do the work."""
