"""primetime: provision, scale and verify the cluster that takes a prime-time burst."""
