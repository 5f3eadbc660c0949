# Prints the marks that are left. Arguments as of prepare.sh.
if id "$1" >/dev/null 2>&1 && (cd "$(getent passwd "$1" | cut -d: -f6)" && sha256sum -c assay-lived.sha256 >/dev/null 2>&1); then echo user; fi
[ "$(cat "$2" 2>/dev/null)" = 'color = own' ] && [ "$(stat -c '%a %U' "$2")" = '640 root' ] && echo own-etc-file
grep -qs '# assay-lived' "$3" && echo etc-edit
[ "$(cat "$4" 2>/dev/null)" = 'data of a user' ] && echo var-data
if systemctl is-enabled --quiet "$5" && [ "$(cat /run/assay-lived 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then
	echo enabled-unit
fi
exit 0
