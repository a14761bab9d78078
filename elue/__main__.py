"""The `elue` command, as a script and as `python -m elue`."""

import signal


def main() -> None:
    """Run the command line. An interrupt before it is there ends the process without a word, as it does any program."""
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from elue.cli import main

    signal.signal(signal.SIGINT, heard)
    main()


if __name__ == "__main__":
    main()
