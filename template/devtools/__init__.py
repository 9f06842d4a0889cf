"""What runs on a developer's machine: the servers of `make dev` and `make test`."""

import sys

# No traceback of a Ctrl-C: it may come while the modules are still being imported.
sys.excepthook = lambda kind, *error: None if issubclass(kind, KeyboardInterrupt) else sys.__excepthook__(kind, *error)
