"""Guard: keeps an instance of EC2 until its spool is shipped."""
