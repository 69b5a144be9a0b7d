"""`python -m primetime`: what bin/primetime hands over to."""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until main takes it: Ctrl-C this early has nothing to tell
    from primetime.cli import main

    main()
