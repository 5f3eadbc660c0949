package usercheck

// What is run in the guest. All values are arguments.
const (
	// guestFolder is where checks lie in the guest: it must outlive a reboot, be
	// writable on a host whose /usr is not, and allow programs to run.
	guestFolder = "/var/lib/assay-checks/"

	// Below a check's folder: what belongs to us, the files with the mark of a
	// reboot that it asked for and of one that it makes itself, and a folder that
	// the check may write to.
	ownFolder      = ".assay"
	rebootProgram  = ownFolder + "/autopkgtest-reboot"
	prepareProgram = ownFolder + "/autopkgtest-reboot-prepare"
	markFile       = ownFolder + "/state/mark"
	preparedFile   = ownFolder + "/state/prepared"
	scratchFolder  = "tmp"

	// noTar and noStart are exit statuses of these scripts.
	noTar   = 127
	noStart = 126

	// needsScript prints what is missing of pairs of a kind and a name.
	needsScript = `
while [ $# -ge 2 ]; do
	case $1 in
	package)
		rpm -q "$2" >/dev/null 2>&1 || [ "$(dpkg-query -W -f '${db:Status-Status}' "$2" 2>/dev/null)" = installed ] ;;
	command) command -v "$2" >/dev/null 2>&1 ;;
	file) [ -e "$2" ] ;;
	user) id -u "$2" >/dev/null 2>&1 ;;
	esac || echo "$1 $2"
	shift 2
done
exit 0`

	// placeScript unpacks its input into folder $1 for user $2.
	placeScript = `
command -v tar >/dev/null 2>&1 || exit 127
umask 022
rm -rf "$1" && mkdir -p "$1/.assay/state" "$1/tmp" && tar -x -f - -C "$1" &&
chown "$2" "$1/.assay/state" "$1/tmp" && chmod 0700 "$1/tmp" || exit 1`

	// beginScript makes folder $1 ready for another start of its check, and links
	// to its programs for reboots in folder $2, which a reboot may have emptied.
	beginScript = `rm -f "$1/.assay/state/mark" "$1/.assay/state/prepared" &&
ln -sfn "$1/.assay/autopkgtest-reboot" "$2/autopkgtest-reboot" &&
ln -sfn "$1/.assay/autopkgtest-reboot-prepare" "$2/autopkgtest-reboot-prepare"`
	// linkFolder is where tests know these programs from.
	linkFolder = "/tmp"

	// startScript becomes the check $2 in folder $1, so that its process is known
	// to whoever asks for a reboot. One stream keeps the output in order.
	startScript = `
exec 2>&1
cd "$1" && echo $$ > .assay/state/pid || exit 126
h=$(getent passwd "$(id -un)" 2>/dev/null | cut -d: -f6)
[ -n "$h" ] && HOME=$h && export HOME
PATH=$PATH:$1/.assay
export PATH
exec "./$2"`

	// rebootScript is the program with which a check asks for a reboot, and does
	// not return; prepareScript the one with which it announces a reboot of its own
	// making. Both are known from Debian's autopkgtest.
	rebootScript = `#!/bin/sh
` + readState + `printf '%s' "$1" > "$d/mark.new" && mv -f "$d/mark.new" "$d/mark" && kill -KILL "$(cat "$d/pid")"
`
	prepareScript = `#!/bin/sh
` + readState + `printf '%s' "$1" > "$d/prepared.new" && mv -f "$d/prepared.new" "$d/prepared" && { sync "$d/prepared" "$d" 2>/dev/null || sync; }
`
	readState = `if [ $# -ne 1 ] || [ -z "$1" ]; then
	echo "usage: $0 MARK" >&2
	exit 2
fi
d=$(dirname "$(readlink -f "$0")")/state
`
)
