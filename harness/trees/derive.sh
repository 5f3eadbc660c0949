# Derives trees from commit $1 in the host's own repository: versions $2 and $3,
# the second a child of the first, both for ref $4; and of the second a child of
# version $5 for ref $6, to which file $7 is added beside the kernel. Prints their
# commits, the kernel's release (twice "-" where there is no such child), and the
# path of a repository with the objects that are new.
set -eu
export LC_ALL=C
system=/sysroot/ostree/repo
# /sysroot is read-only on most hosts; this guest is thrown away.
mount -o remount,rw /sysroot 2>/dev/null || mount -o remount,rw / 2>/dev/null || true
work=$(mktemp -d /var/tmp/assay-derive.XXXXXX)
help=$(ostree commit --help)
base=$1 older=$2 newer=$3 ref=$4 kernel=$5 kernelref=$6 file=$7
set -- --orphan
case $help in *--bootable*) set -- "$@" --bootable ;; esac
# Without a policy what is new gets the label of the folder it was made in.
if [ -e /sys/fs/selinux/enforce ]; then
	case $help in
	*--selinux-policy-from-base*) set -- "$@" --selinux-policy-from-base ;;
	*--selinux-policy=*) set -- "$@" --selinux-policy=/ ;; # ostree before 2020.4
	esac
fi
# A commit that rpm-ostree composed lists its packages. rpm-ostree since 2022.3
# crashes over an update without the list (upgrade --check), and zincati ends
# where a host of Fedora CoreOS has no stream; ostree in turn refuses to keep what
# is not there.
case $help in *--keep-metadata*)
	for key in rpmostree.rpmdb.pkglist rpmostree.initramfs-args fedora-coreos.stream coreos-assembler.basearch; do
		ostree show --repo="$system" --print-metadata-key="$key" "$base" >/dev/null 2>&1 && set -- "$@" --keep-metadata="$key"
	done
	;;
esac
# Of a base (ostree since 2020.4) only names are read. A tree is read, labelled and
# stored again, file by file, with twice its space on the disk.
case $help in *--base=*) tree=--base=$base ;; *) tree=--tree=ref=$base ;; esac
derive() { # PARENT VERSION REF FILE OPTIONS
	parent=$1 version=$2 branch=$3 extra=$4
	shift 4
	# A commit that names no ref is refused where it names what it is for.
	case $help in *--bind-ref*) set -- "$@" --bind-ref="$branch" ;; esac
	rm -rf "$work/tree"
	for path in usr/share/assay-update usr/etc/assay-update; do
		mkdir -p "$work/tree/$path"
		echo "$version" >"$work/tree/$path/version"
	done
	if [ -n "$extra" ]; then
		mkdir -p "$work/tree/${extra%/*}"
		echo "$version" >"$work/tree/$extra"
	fi
	chmod -R u=rwX,go=rX "$work/tree"
	ostree commit --repo="$system" --parent="$parent" "$tree" --tree=dir="$work/tree" \
		--subject="derived by Assay" --add-metadata-string=version="$version" "$@"
}
one=$(derive "$base" "$older" "$ref" "" "$@")
two=$(derive "$one" "$newer" "$ref" "" "$@")
# One kernel, and nothing beside it yet. Others than PCs do boot by device trees.
three=- release=-
has() { ostree ls --repo="$system" "$base" "/$1" >/dev/null 2>&1; }
if [ "$(uname -m)" = x86_64 ]; then
	kernels=
	for name in $(ostree ls --repo="$system" "$base" /usr/lib/modules 2>/dev/null | sed -n 's,^d.* /usr/lib/modules/\([A-Za-z0-9._+~-]*\)$,\1,p'); do
		if has "usr/lib/modules/$name/vmlinuz"; then kernels="$kernels $name"; fi
	done
	folder=usr/lib/modules/${kernels# }
	case ${kernels# } in
	'' | *' '*) ;;
	*) if ! has "$folder/${file%/*}" && ! has "$folder/devicetree"; then
		release=${kernels# }
		three=$(derive "$two" "$kernel" "$kernelref" "$folder/$file" "$@")
	fi ;;
	esac
fi
new=$work/repo
ostree init --repo="$new" --mode=archive >&2
ostree config --repo="$new" set core.fsync false
ostree remote add --repo="$new" --no-gpg-verify system "file://$system"
for commit in "$one" "$two"; do
	ostree pull --repo="$new" --subpath=/usr/share/assay-update --subpath=/usr/etc/assay-update system "$commit" >&2
done
if [ "$three" != - ]; then
	ostree pull --repo="$new" --subpath=/usr/share/assay-update --subpath=/usr/etc/assay-update --subpath="/$folder/${file%/*}" system "$three" >&2
fi
echo "$one $two $three $release $new"
