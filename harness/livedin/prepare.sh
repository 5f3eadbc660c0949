# Makes the marks and prints those that were made. $1 user, $2 a file in /etc,
# $3 a file to edit, $4 a file in /var, $5 a unit.
mkdir -p "$(dirname "$4")" && echo 'data of a user' >"$4" && echo var-data
# An /etc that is thrown away at each boot, on purpose, keeps no mark (ostree's etc.transient).
if grep -q '^[^ ]* [^ ]* [^ ]* [^ ]* /etc .*upperdir=/run/ostree/transient-etc' /proc/self/mountinfo; then
	sync
	exit 0
fi
# Two files in the home: random bytes and their digest, which look.sh compares. They
# have no dot before their names, as what empties homes may pass over such.
keep() {
	cd "$(getent passwd "$1" | cut -d: -f6)" && head -c 4096 /dev/urandom >assay-lived &&
		sha256sum assay-lived >assay-lived.sha256 && chown "$1" assay-lived assay-lived.sha256
}
if { id "$1" >/dev/null 2>&1 || useradd --create-home "$1" >&2; } && (keep "$1"); then echo user; fi
echo 'color = own' >"$2" && chmod 0640 "$2" && echo own-etc-file
if grep -qs '# assay-lived' "$3" || echo '# assay-lived' >>"$3"; then echo etc-edit; fi
cat >"/etc/systemd/system/$5" <<UNIT
[Unit]
Description=a service of the administrator (assay)
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cat /proc/sys/kernel/random/boot_id >/run/assay-lived'
[Install]
WantedBy=multi-user.target
UNIT
if systemctl daemon-reload >&2 && systemctl enable --now "$5" >&2; then echo enabled-unit; fi
sync
