package site

import (
	"fmt"
	"net/url"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"assay/artifact"
	"assay/release"
)

// guide is one way to start an image.
type guide struct {
	Title    string
	Needs    string // what has to be installed
	Commands string
	Note     string
}

// kindWords says what a file of a kind is for. The kind is as in ArtifactID.
func kindWords(kind string) (title, use string) {
	base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(kind, ".xz"), ".gz"), ".zst")
	switch {
	case strings.HasSuffix(base, "qcow2"):
		return "Virtual machine image (" + kind + ")", "QEMU/KVM, libvirt, OpenStack"
	case strings.HasPrefix(kind, "vagrant"):
		return "Vagrant box (" + strings.TrimPrefix(strings.TrimPrefix(kind, "vagrant"), "-") + ")", "Vagrant on a developer's machine"
	case strings.HasSuffix(base, "raw"):
		return "Disk image (" + kind + ")", "bare metal, and clouds that take raw disks"
	case strings.Contains(base, "iso"):
		return "Installer (" + kind + ")", "USB stick, DVD, virtual drive"
	case strings.HasSuffix(base, "vmdk"):
		return "VMware image (" + kind + ")", "VMware"
	case strings.Contains(base, "vhd"):
		return "Azure and Hyper-V image (" + kind + ")", "Azure, Hyper-V"
	case strings.Contains(base, "ociarchive"), strings.Contains(base, "container"):
		return "Container image (" + kind + ")", "bootc, podman"
	case strings.HasPrefix(base, "tar"):
		return "Cloud tarball (" + kind + ")", "Google Compute Engine"
	}
	return kind, ""
}

// seedCommands make the cloud-init seed that an image without a password needs.
const seedCommands = `cat > user-data <<EOF
#cloud-config
ssh_authorized_keys:
  - $(cat ~/.ssh/id_ed25519.pub)
EOF
echo 'instance-id: first' > meta-data
`

// guides tell how to start an image of a build. title names a machine.
func guides(stream release.Stream, a release.Artifact, address string) (out []guide) {
	kind, arch := a.ID.Kind(), string(a.ID.Arch())
	machine := shellescape.Quote(string(stream))
	file, unpack := unpacked(a.Name)
	q := shellescape.Quote(file)
	base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(kind, ".xz"), ".gz"), ".zst")
	switch {
	case strings.HasSuffix(base, "qcow2"):
		out = append(out, guide{
			Title: "With libvirt", Needs: "virt-install 3 or newer and libvirt",
			Commands: unpack + seedCommands + "virt-install --name " + machine + " --memory 2048 --vcpus 2 \\\n" +
				"  --osinfo detect=on,require=off --arch " + shellescape.Quote(arch) + " --import --disk " + q + " \\\n  --cloud-init user-data=user-data --graphics none",
			Note: "The image changes as the machine runs: keep a copy if you want to check it again."},
			guide{Title: "With QEMU alone", Needs: "qemu-system and xorriso",
				Commands: unpack + seedCommands + "xorriso -as mkisofs -quiet -V cidata -J -r -o seed.iso user-data meta-data\n" + qemu(arch, q),
				Note:     "Then log in with ssh -p 2222 USER@127.0.0.1; USER is the image's cloud user."},
			guide{Title: "In OpenStack", Needs: "the openstack client",
				Commands: unpack + "openstack image create --disk-format qcow2 --container-format bare \\\n  --file " + q + " " + shellescape.Quote(strings.TrimSuffix(file, ".qcow2"))})
	case strings.HasPrefix(kind, "vagrant-libvirt"):
		out = append(out, guide{Title: "With Vagrant", Needs: "Vagrant and its libvirt plugin",
			Commands: "vagrant box add --name " + machine + " --checksum-type sha256 \\\n  --checksum " + a.Digest.Hex() + " \\\n  " +
				shellescape.Quote(address) + "\nvagrant init " + machine + "\nvagrant up --provider libvirt\nvagrant ssh",
			Note: "Vagrant checks the checksum itself; the signature only you can check (see above)."})
	case strings.HasSuffix(base, "raw"):
		out = append(out, guide{Title: "On a disk", Needs: "root, and a disk whose content may go",
			Commands: unpack + "lsblk  # which disk is it?\nsudo dd if=" + q + " of=/dev/DISK bs=4M oflag=direct conv=fsync status=progress",
			Note:     "Everything on the disk is lost."})
	case strings.Contains(base, "iso"):
		out = append(out, guide{Title: "From a USB stick", Needs: "root, and a stick whose content may go",
			Commands: "lsblk  # which disk is the stick?\nsudo dd if=" + q + " of=/dev/STICK bs=4M oflag=direct conv=fsync status=progress",
			Note:     "Everything on the stick is lost. Then start the computer from it."})
	case strings.Contains(base, "ociarchive"):
		out = append(out, guide{Title: "As a container image", Needs: "podman",
			Commands: "podman load -i " + q})
	}
	return out
}

// unpacked is the file within and the command that unpacks it.
func unpacked(name string) (file, command string) {
	for suffix, program := range map[string]string{".xz": "xz -dk", ".gz": "gzip -dk", ".zst": "zstd -d"} {
		if file, ok := strings.CutSuffix(name, suffix); ok {
			return file, program + " -- " + shellescape.Quote(name) + "\n"
		}
	}
	return name, ""
}

// qemu starts an image without touching it. The line with the firmware is for
// where Debian and Fedora have it.
func qemu(arch, quoted string) string {
	program, machine := "qemu-system-x86_64", "-machine q35,accel=kvm:tcg -cpu max,la57=off"
	switch arch {
	case "x86_64":
	case "aarch64":
		program, machine = "qemu-system-aarch64", "-machine virt,accel=kvm:tcg -cpu max -bios /usr/share/AAVMF/AAVMF_CODE.fd"
	case "ppc64le":
		program, machine = "qemu-system-ppc64", "-machine pseries,accel=kvm:tcg"
	case "s390x":
		program, machine = "qemu-system-s390x", "-machine s390-ccw-virtio,accel=kvm:tcg"
	default:
		program, machine = "qemu-system-"+shellescape.Quote(arch), ""
	}
	return fmt.Sprintf("%s %s -smp 2 -m 2048 -nographic -snapshot \\\n  -drive file=%s,if=virtio -drive file=seed.iso,if=virtio,format=raw \\\n  -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:2222-:22",
		program, strings.TrimSpace(machine), quoted)
}

// verification is the commands that check the files of one architecture, in the
// folder that has them. gpgv writes what was signed to a file of its own, so that
// no line outside the signature is believed.
func (v *view) verification(r *release.Release, first release.Artifact, checksum *release.SignedFile, detached *release.SignedFile) string {
	folder := v.folder(r.Build) + "/"
	get := func(address string) string { return "curl -fLO " + shellescape.Quote(address) + "\n" }
	key := v.keyOf(checksum)
	if checksum == nil || key == nil {
		key = v.keyOf(detached)
	}
	var b strings.Builder
	if key == nil {
		fmt.Fprintf(&b, "echo '%s  %s' | sha256sum -c -", first.Digest.Hex(), first.Name)
		return b.String()
	}
	ring := shellescape.Quote("./" + key.File)
	b.WriteString(get(v.home() + "/keys/" + key.File))
	if checksum != nil && v.keyOf(checksum) != nil {
		b.WriteString(get(folder + url.PathEscape(checksum.Name)))
		fmt.Fprintf(&b, "gpgv --keyring %s --output verified %s &&\n  sha256sum --ignore-missing -c verified", ring, shellescape.Quote(checksum.Name))
		return b.String()
	}
	b.WriteString(get(folder + url.PathEscape(detached.Name)))
	fmt.Fprintf(&b, "gpgv --keyring %s %s %s", ring, shellescape.Quote(detached.Name), shellescape.Quote(first.Name))
	return b.String()
}

// keyOf is the public key that a signature was made with, nil if the site does
// not have it.
func (v *view) keyOf(f *release.SignedFile) *publicKey {
	if f == nil {
		return nil
	}
	for i := range v.keys {
		if v.keys[i].Name == f.Key {
			return &v.keys[i]
		}
	}
	return nil
}

// launch is the command that starts an image in a cloud, empty where there is
// no usual one.
func launch(c CloudImage) string {
	switch c.Provider {
	case "aws":
		machine := "t3.medium"
		if c.Arch == artifact.AArch64 {
			machine = "t4g.medium"
		}
		return "aws ec2 run-instances --region " + shellescape.Quote(c.Region) + " --image-id " + shellescape.Quote(c.Image) + " \\\n  --instance-type " + machine + " --key-name KEY"
	case "gcp":
		cmd := "gcloud compute instances create NAME --image " + shellescape.Quote(c.Image)
		if c.Project != "" {
			cmd += " \\\n  --image-project " + shellescape.Quote(c.Project)
		}
		return cmd
	}
	return ""
}
