# Tells of the container image that commit $1 was made of, as bootc keeps it in
# the host's repository: its manifest, its configuration, and the layers that
# are held. Nothing if it was made of none.
set -u
# Not C: labels may hold any letter, and what is printed goes through the locale.
export LC_ALL=C.UTF-8
repo=/sysroot/ostree/repo
for key in ostree.manifest ostree.container.image-config; do
	ostree show --repo="$repo" --print-metadata-key="$key" "$1" 2>/dev/null || exit 0
done
ostree refs --repo="$repo" --list ostree/container/blob
