# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ends a run of the harness that is not the script's own status."""

STATUS = 125


class Failure(Exception):
    """The harness could not do its part: its text says why, exit status 125."""
