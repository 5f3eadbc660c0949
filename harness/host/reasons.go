package host

import "regexp"

// known are the tools' words, read in their sources (rpm-ostree 2026, bootc
// 2026, ostree 2026, atomic 1.22) and in transcripts of older ones. The first
// that fits counts, so what is special stands before what is general.
var known = []struct {
	reason Reason
	words  *regexp.Regexp
}{
	{Busy, regexp.MustCompile(`[Tt]ransaction in progress|cannot start new transaction|Unable to get file lock`)},
	{NotPrivileged, regexp.MustCompile(`requires root privileges|[Mm]ust be root|require root access|as the root user|need to be root|Only root can|[Nn]ot authorized|` +
		`Interactive authentication required|AccessDenied|not allowed for user|Authorization error: |Failed to load polkit|Permission denied|Operation not permitted`)},
	{Locked, regexp.MustCompile(`LockLayering=true`)},
	{LocalModifications, regexp.MustCompile(`local rpm-ostree modifications`)},
	{Unsigned, regexp.MustCompile(`cannot be verified|no signatures found|[Nn]o signatures? (?:found|exists)|none are in trusted keyring|` +
		`Can't check signature|BAD signature|[Ss]ource image rejected|signature was required|[Ii]nvalid signature|insecureAcceptAnything|` +
		`No signatures found|GPG verification|public key not found|not signed|NOKEY`)},
	{NoSpace, regexp.MustCompile(`[Ii]nsufficient free space|No space left on device|min-free-space-\S+ .*would be exceeded|more space needed|[Nn]ot enough (?:free )?space`)},
	{InactiveRequest, regexp.MustCompile(`is already provided by|to explicitly require it|is already in the base`)},
	{AlreadyLayered, regexp.MustCompile(`is already requested|is already layered`)},
	{NotRequested, regexp.MustCompile(`is not currently requested|No overrides for package|No karg '[^']*' found|[Nn]o (?:package )?overrides`)},
	{NotInstalled, regexp.MustCompile(`Package "[^"]*" not found|Package \S+ not found`)},
	{UnknownPackage, regexp.MustCompile(`[Pp]ackages not found|No package matches|No packages? matched|No matches for|Package not found`)},
	{EtcConflict, regexp.MustCompile(`cannot merge|[Mm]erge conflicts found|[Mm]erging /etc|/etc merge`)},
	{ScriptFailed, regexp.MustCompile(`Running %\S+ for \S+: `)},
	{Conflict, regexp.MustCompile(`[Cc]ould not depsolve|conflicting requests|conflicts with|cannot install both|base packages would be replaced|` +
		`Hardlinking .*: File exists|is in package \S+ too`)},
	{Older, regexp.MustCompile(`chronologically older`)},
	{StagedFirst, regexp.MustCompile(`Staged deployment \(remove with cleanup`)},
	{WholeReboot, regexp.MustCompile(`not soft-reboot capable|[Ss]oft.reboot.*different kernel|different kernel.*[Ss]oft.reboot`)},
	{NoRollback, regexp.MustCompile(`[Nn]o rollback|Rollback is not container image based|No previous deployment|previous deployment to rollback`)},
	{Unlocked, regexp.MustCompile(`already (?:in )?unlocked`)},
	{NoChange, regexp.MustCompile(`Old and new refs are equal|refspecs? (?:are|is) equal|is already present|is already installed|already (?:enabled|disabled)|Override already exists`)},
	{NotDeployed, regexp.MustCompile(`[Nn]ot currently booted into|not booted via bootc|requires a booted host|[Nn]ot (?:in )?a booted|Not booted into|No deployments found`)},
	{UnknownContainer, regexp.MustCompile(`[Cc]ontainer '[^']*' is not installed|backend associated with container|[Cc]ontainer '[^']*' doesn't exist|` +
		`in the installed containers|in installed image data|Unit \S+ (?:could not be found|not found|not loaded)|[Nn]o such container`)},
	{MissingSetting, regexp.MustCompile(`still contains an unreplaced value`)},
	{UnknownImage, regexp.MustCompile(`Image \S+ (?:not found|not present)|Unable to find image|Layer not found|Unable to find \S+ in the|[Cc]ould not find any image|[Ii]mage not known|` +
		`manifest unknown|name unknown|repository .* not found`)},
	{UnknownVersion, regexp.MustCompile(`(?:Checksum|Version) \S+ not found|not found in ref|[Nn]o such (?:branch|ref|metadata object)|Refspec '[^']*' not found|` +
		`Remote "[^"]*" not found|HTTP 404|[Bb]ranch \S* ?not found|No such metadata|not cached in|requested URL returned error: 404`)},
	{Unreachable, regexp.MustCompile(`[Cc]onnection refused|[Cc]ould not (?:connect|resolve)|[Cc]ouldn't connect|[Ff]ailed to connect|[Nn]o route to host|` +
		`i/o timeout|[Tt]imed out|[Cc]onnection reset|[Cc]annot download|Curl error|[Nn]etwork is unreachable|` +
		// libostree's "[CURLcode] words" for what is no answer at all, and its, librepo's and skopeo's for a server in trouble.
		`\[(?:5|6|7|16|18|28|35|52|55|56|92)\] [A-Z][a-z]|Transferred a partial file|(?:Server returned HTTP|Status code:|unexpected HTTP status:?|unexpected status code) 5\d\d|` +
		// Go's, in skopeo and podman.
		`context deadline exceeded|unexpected EOF|": EOF|Client\.Timeout|TLS handshake timeout|[Tt]imeout awaiting`)},
}

// ReasonOf finds a reason in what a tool, or skopeo, said; empty when its words
// are not known.
func ReasonOf(said string) Reason {
	for _, k := range known {
		if k.words.MatchString(said) {
			return k.reason
		}
	}
	return ""
}

// nothing is how tools say that there is nothing to do; they exit with 0, or
// with 77 where they were asked to.
var nothing = []struct {
	reason Reason
	words  *regexp.Regexp
}{
	{NoUpgrade, regexp.MustCompile(`(?m)^ *No upgrade available\.?|^ *No updates? available\.?|^ *Latest version already installed`)},
	{NoChange, regexp.MustCompile(`(?m)^ *No changes?\.|^ *Deployments unchanged\.|^ *Image specification is unchanged|^ *Staged update present, not changed|` +
		`is already (?:pinned|unpinned)|^ *No changes to apply| already present$`)},
}

// nothingIn finds out whether a tool said that there is nothing to do.
func nothingIn(said string) Reason {
	for _, n := range nothing {
		if n.words.MatchString(said) {
			return n.reason
		}
	}
	return ""
}
