"""The time limit of every wait in the tests: one number, for machines of any speed."""

import os

PATIENCE = float(os.environ.get("PATIENCE", "120"))  # seconds; nothing takes that long unless it is broken
