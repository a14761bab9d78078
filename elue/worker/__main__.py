"""The child process of an evaluation: see `elue.worker.inside.serving`."""

from __future__ import annotations

from elue.worker.inside.serving import main

if __name__ == "__main__":
    main()
