package host

import "strings"

// mark works out Pending and Rollback from the order, as ostree itself does:
// of the booted one's stateroot, the first before it is pending and the first
// after it is the rollback. Text of old tools names no stateroot: then all
// deployments are of one. Without a booted one only staged ones are pending.
func mark(all []Deployment) {
	booted := -1
	for i := range all {
		all[i].Pending, all[i].Rollback = all[i].Staged && !all[i].DownloadOnly && !all[i].Booted, false
		if all[i].Booted {
			booted = i
		}
	}
	if booted < 0 {
		return
	}
	same := func(i int) bool { return all[i].OSName == all[booted].OSName }
	for i := 0; i < booted; i++ {
		if same(i) && !all[i].DownloadOnly {
			all[i].Pending = true
			break
		}
	}
	for i := booted + 1; i < len(all); i++ {
		if same(i) {
			all[i].Rollback = true
			break
		}
	}
}

// isChecksum reports a whole SHA-256; isDigits ten or more digits of one.
func isChecksum(s string) bool { return len(s) == 64 && isHex(s) }
func isDigits(s string) bool   { return len(s) >= 10 && len(s) <= 64 && isHex(s) }
func isHex(s string) bool      { return strings.Trim(s, "0123456789abcdef") == "" }
