"""The seeded state of a demo: past shows and their audience, the same by seed. Called by `demo` and its reset."""
