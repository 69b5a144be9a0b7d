"""Java: what roles whose daemons are JVMs share. No inventory group of its own."""
