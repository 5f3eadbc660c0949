#!/usr/bin/env python3
## assay:
##   title: the registry that is served to the guest speaks the registry protocol
##   criterion: S4
##   exclusive: false
##   needs:
##     commands: [python3]
"""Any language will do: the header is in comments, the answer is the exit status."""

import os
import sys
import urllib.request

registry = os.environ.get("ASSAY_REGISTRY")
if not registry:
    print("no registry is served")
    sys.exit(77)
with urllib.request.urlopen(f"http://{registry}/v2/", timeout=60) as answer:
    version = answer.headers.get("Docker-Distribution-Api-Version", "")
if version != "registry/2.0":
    sys.exit(f"the registry says it speaks {version!r}, not registry/2.0")
