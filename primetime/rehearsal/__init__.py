"""The rehearsal: a burst of numbered updates, and the certificate that none of them was lost."""
