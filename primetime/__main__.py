"""`python -m primetime`: what bin/primetime hands over to."""

from primetime.cli import main

if __name__ == "__main__":
    main()
