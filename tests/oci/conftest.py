# SPDX-License-Identifier: LGPL-2.1-or-later
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bundle as oci  # noqa: E402

oci.Container.names = oci.named_in(pathlib.Path(__file__).resolve().parent)

folder, make, container = oci.folder_fixture("bulkhead-oci-"), oci.make, oci.container
