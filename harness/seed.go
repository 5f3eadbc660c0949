package harness

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"assay/cloudinit"
	"assay/harness/network"
	"assay/suites/check"
)

// seed is what one guest was told at its first boot, on disk and in memory.
type seed struct {
	iso     string
	secrets *cloudinit.Secrets
	env     check.Env
	// asRoot is true for a guest that has no sudo: root itself is let in.
	asRoot bool
}

// seedRoute is a network that the seed has a route to, and our DHCP tells nothing
// of: it shows that the seed's network configuration is heeded. Nobody is there
// (RFC 5737).
const seedRoute = "198.51.100.0/24"

// seedNetwork is DHCP on the guest's only card, as images do by themselves, and
// the route. Every way to configure a network can say that without losing DHCP.
func seedNetwork() *cloudinit.Network {
	return &cloudinit.Network{Ethernets: map[string]cloudinit.Ethernet{"seed": {
		Match: &cloudinit.Match{MACAddress: network.GuestMAC}, DHCP4: true,
		Routes: []cloudinit.Route{{To: seedRoute, Via: network.GatewayIP}},
	}}}
}

// newSeed makes a guest's seed with keys of its own and writes its ISO.
// config is nil for cloud-init that knows no such configuration.
func newSeed(runID, guest, dir string, format cloudinit.Format, config *cloudinit.Network) (*seed, error) {
	sd, secrets, err := cloudinit.New(cloudinit.Options{
		Hostname: "assay-" + guest, InstanceID: "iid-" + runID + "-" + guest, RootLogin: true, Rand: rand.Reader,
		Network: config,
	})
	if err != nil {
		return nil, err
	}
	iso := filepath.Join(dir, "seed.iso")
	if err := sd.WriteISO(iso, format, false); err != nil {
		return nil, err
	}
	route := ""
	if config != nil {
		route = seedRoute
	}
	return &seed{iso: iso, secrets: secrets, env: check.Env{
		User: secrets.User, Hostname: sd.Hostname, InstanceID: sd.InstanceID,
		ProofPath: sd.Proof.Path, ProofText: sd.Proof.Text,
		RunCmdProof: check.Proof(*sd.RunCmdProof), WriteFilesProof: check.Proof(*sd.WriteFilesProof),
		AuthorizedKey: secrets.AuthorizedKey, HostKey: secrets.HostKeyLine, SeedRoute: route,
		ServedName: network.GatewayName, ServedAddress: network.GatewayIP,
	}}, nil
}

// access is how a guest with this seed is entered; name and socket are the
// guest's own to add.
func (s *seed) access(scale float64) guestAccess {
	user := s.secrets.User
	if s.asRoot {
		user = "root"
	}
	return guestAccess{User: user, PrivateKey: s.secrets.UserKey.Reveal(), HostKey: s.secrets.HostKeyLine, Scale: scale}
}

// keyFiles writes the guest's user key and host key where the ssh program can
// read them, for a person who wants in.
func (i *instance) keyFiles() (key, knownHosts string, err error) {
	key, knownHosts = filepath.Join(i.scratch, "key"), filepath.Join(i.scratch, "known_hosts")
	if err := os.WriteFile(key, []byte(i.access.PrivateKey), 0o600); err != nil {
		return "", "", fmt.Errorf("cannot write the guest's key: %w", err)
	}
	if err := os.WriteFile(knownHosts, []byte(i.name+" "+i.access.HostKey+"\n"), 0o600); err != nil {
		return "", "", fmt.Errorf("cannot write the guest's host key: %w", err)
	}
	return key, knownHosts, nil
}
