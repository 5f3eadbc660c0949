package guest

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Identity is what must differ between two boots of one image.
type Identity struct {
	MachineID string `json:"machine_id"`
	BootID    string `json:"boot_id"`
	// HostKeys are the public SSH host keys, type and key, but the seed's own.
	HostKeys []string `json:"host_keys"`
	// PTUUID is the partition table id of the disk that holds the root file system.
	PTUUID string `json:"ptuuid"`
	// RandomSeed is the SHA-256 of systemd's saved random seed.
	RandomSeed string `json:"random_seed"`
}

// identityScript ends what it shows of a file with a line break of its own: a
// key that cloud-init wrote has none, and sed adds none.
const identityScript = `
sed 's/^/m /' /etc/machine-id 2>/dev/null; echo
sed 's/^/b /' /proc/sys/kernel/random/boot_id
for key in /etc/ssh/ssh_host_*_key.pub; do
	[ -f "$key" ] && sed 's/^/k /' "$key" && echo
done
# A private key counts though nobody kept its public half.
for key in /etc/ssh/ssh_host_*_key; do
	[ -f "$key" ] && [ ! -f "$key.pub" ] && ssh-keygen -y -f "$key" 2>/dev/null | sed 's/^/k /'
done
source=$(findmnt -no SOURCE /sysroot 2>/dev/null || findmnt -no SOURCE / 2>/dev/null)
disk=$(lsblk -no PKNAME "${source%%[*}" 2>/dev/null | head -n 1)
[ -n "$disk" ] && lsblk -dno PTUUID "/dev/$disk" 2>/dev/null | sed 's/^/p /'
[ -f /var/lib/systemd/random-seed ] && sha256sum </var/lib/systemd/random-seed | sed 's/^/s /; s/ *-$//'
true`

// ReadIdentity asks the guest who it is. seedHostKey is the public key line of
// the host key that its seed brought; it is left out.
func ReadIdentity(ctx context.Context, g Guest, seedHostKey string) (Identity, error) {
	out, err := Output(ctx, g, "sh", "-c", identityScript)
	if err != nil {
		return Identity{}, fmt.Errorf("cannot read the identity of guest %s: %w", g.Name(), err)
	}
	return parseIdentity(out, seedHostKey), nil
}

func parseIdentity(text, seedHostKey string) (id Identity) {
	own := publicKey(seedHostKey)
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() {
		kind, value, _ := strings.Cut(sc.Text(), " ")
		value = strings.TrimSpace(value)
		switch kind {
		case "m":
			id.MachineID = value
		case "b":
			id.BootID = value
		case "k":
			if k := publicKey(value); k != "" && k != own && !slices.Contains(id.HostKeys, k) {
				id.HostKeys = append(id.HostKeys, k)
			}
		case "p":
			id.PTUUID = value
		case "s":
			id.RandomSeed = value
		}
	}
	slices.Sort(id.HostKeys)
	return id
}

// publicKey is type and key of a public key line, without its comment.
func publicKey(line string) string {
	f := strings.Fields(line)
	if len(f) < 2 {
		return ""
	}
	return f[0] + " " + f[1]
}
