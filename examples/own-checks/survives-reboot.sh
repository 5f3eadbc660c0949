#!/bin/sh
# assay:
#   title: what the service wrote is there after a reboot, and the service is up again
#   labels: [reboot]
#   limit: 6m
#   needs:
#     commands: [systemctl]

case ${AUTOPKGTEST_REBOOT_MARK:-} in
"")
	cat > /etc/systemd/system/assay-example.service <<-'UNIT'
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	ExecStart=/bin/sh -c 'echo started >> /var/lib/assay-example'
	[Install]
	WantedBy=multi-user.target
	UNIT
	systemctl daemon-reload
	systemctl enable --now assay-example.service || { echo "the service cannot be enabled and started"; exit 1; }
	echo kept > "$ASSAY_TMP/note"
	/tmp/autopkgtest-reboot enabled
	;;
enabled)
	[ "$(cat "$ASSAY_TMP/note")" = kept ] || { echo "what was written before the reboot is gone"; exit 1; }
	systemctl is-active --quiet assay-example.service || { echo "an enabled service is not up after a reboot"; exit 1; }
	n=$(grep -c started /var/lib/assay-example)
	[ "$n" = 2 ] || { echo "the service was started $n times in two boots"; exit 1; }
	echo "started once in each boot"
	;;
*)
	echo "who asked for mark $AUTOPKGTEST_REBOOT_MARK?"
	exit 127
	;;
esac
