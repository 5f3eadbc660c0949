package cloudinit

// Seed is everything a guest is told at its first boot. The zero value of a
// field leaves the guest's own default, except where said otherwise. The YAML
// names are those of a seed file, see Parse.
type Seed struct {
	// InstanceID is what makes a boot a first boot: cloud-init runs its
	// once-per-instance work when the id differs from the last one. Required:
	// 1 to 128 letters, digits, '.', '_' and '-', starting with a letter or digit.
	InstanceID string `yaml:"instance_id"`
	// Hostname is required: an RFC 1123 name; with dots, cloud-init takes the
	// first label for the host name and the whole for the FQDN.
	Hostname string `yaml:"hostname"`
	// Users are made in this order.
	Users []User `yaml:"users"`
	// KeepDefaultUser also makes the user that the image's configuration names
	// ("fedora", "debian", ...).
	KeepDefaultUser bool `yaml:"keep_default_user"`
	// RootAuthorizedKeys let root in with these SSH public keys (and the default
	// user, when it is kept). Empty: root's login is disabled.
	RootAuthorizedKeys []string `yaml:"root_authorized_keys"`
	// PasswordAuth lets SSH accept passwords. Default: it does not.
	PasswordAuth bool `yaml:"ssh_pwauth"`
	// HostKeys, when set, is the guest's SSH host key; cloud-init then makes no
	// other and deletes none.
	HostKeys *HostKeys `yaml:"host_keys"`
	// WriteFiles are written before RunCmd.
	WriteFiles []WriteFile `yaml:"write_files"`
	// RunCmd are argument vectors, run in order late in the first boot.
	RunCmd [][]string `yaml:"runcmd"`
	// Scripts are user-data shell scripts, run last in the first boot.
	Scripts []Script `yaml:"scripts"`
	// Proof, when set, is a file that a user script writes.
	Proof *Proof `yaml:"proof"`
	// RunCmdProof is the same by a command after those of RunCmd, WriteFilesProof by a
	// file after those of WriteFiles: each shows that its own way was taken.
	RunCmdProof     *Proof `yaml:"runcmd_proof"`
	WriteFilesProof *Proof `yaml:"write_files_proof"`
	// Network, when set, is the network configuration; nil lets cloud-init
	// ask for an address on the first interface.
	Network *Network `yaml:"network"`
	// CloudConfig are further top-level keys of the cloud-config document. A
	// key that one of the fields above writes is refused.
	CloudConfig map[string]any `yaml:"cloud_config"`
	// Parts are added to the user-data as they are.
	Parts []Part `yaml:"parts"`
}

// User is an account of the guest.
type User struct {
	// Name matches [a-z_][a-z0-9_-]{0,31}.
	Name string `yaml:"name"`
	// Gecos is the real name; no colon.
	Gecos string `yaml:"gecos"`
	// Groups are joined besides the user's own; they are made when missing.
	Groups []string `yaml:"groups"`
	// Sudo is a sudoers rule without the user, "ALL=(ALL) NOPASSWD:ALL".
	Sudo string `yaml:"sudo"`
	// Shell is an absolute path.
	Shell string `yaml:"shell"`
	// AuthorizedKeys are SSH public key lines.
	AuthorizedKeys []string `yaml:"ssh_authorized_keys"`
	// HashedPassword is a crypt(3) hash, "$6$...".
	HashedPassword Secret `yaml:"hashed_passwd"`
	// UnlockPassword lets the password be used. Default: the password is locked.
	UnlockPassword bool `yaml:"unlock_passwd"`
}

// HostKeys is the guest's SSH host key. Only ed25519: one key is enough to know
// the guest by, and making others costs seconds of an emulated boot.
type HostKeys struct {
	// ED25519Private is a PEM block "OPENSSH PRIVATE KEY", unencrypted.
	ED25519Private Secret `yaml:"ed25519_private"`
	// ED25519Public is the public key line that belongs to it; empty is derived.
	ED25519Public string `yaml:"ed25519_public"`
}

// WriteFile is a file of the guest.
type WriteFile struct {
	// Path is absolute and clean.
	Path string `yaml:"path"`
	// Content may be any bytes when the seed is a Go value, UTF-8 in a seed file.
	Content string `yaml:"content"`
	// Permissions is octal, "0644" (the default).
	Permissions string `yaml:"permissions"`
	// Owner is "user" or "user:group"; default root:root.
	Owner string `yaml:"owner"`
}

// Script is a user-data shell script.
type Script struct {
	// Name is the file name it is stored under: letters, digits, '.', '_', '-'.
	Name string `yaml:"name"`
	// Content starts with "#!".
	Content string `yaml:"content"`
}

// Proof is a file that shows that the user script ran. The script is a
// user-data shell script of its own, so the proof covers that whole path.
type Proof struct {
	// Path is an absolute path of letters, digits, '.', '_', '-' and '/'.
	Path string `yaml:"path"`
	// Text is one line of letters, digits, '.', '_', ':' and '-'; the file holds
	// it and a newline.
	Text string `yaml:"text"`
}

// Part is one part of a multi-part user-data.
type Part struct {
	// Type is the media type: "text/x-shellscript", "text/cloud-boothook",
	// "text/cloud-config", "text/jinja2", "text/x-include-url", ...
	Type string `yaml:"type"`
	// Name is the file name: letters, digits, '.', '_', '-'.
	Name    string `yaml:"name"`
	Content string `yaml:"content"`
}
