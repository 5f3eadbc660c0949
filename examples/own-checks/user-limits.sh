#!/bin/sh
# assay:
#   title: an ordinary user may open as many files as our programs need
#   blocking: false
#   exclusive: false
#   user: ordinary

want=$(cat user-limits.d/open-files) # data beside the check is copied with it
have=$(ulimit -n)
[ "$have" = unlimited ] || [ "$have" -ge "$want" ] || { echo "user $(id -un) may open $have files, not $want"; exit 1; }
