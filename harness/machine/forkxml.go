package machine

import (
	"errors"
	"fmt"

	"libvirt.org/go/libvirtxml"
)

// rewire gives the definition of a saved guest the identity and the connections
// of a fork. Everything the guest can see stays: devices, their addresses, MAC.
func rewire(x string, w wiring, disk string) (string, error) {
	var d libvirtxml.Domain
	if err := d.Unmarshal(x); err != nil {
		return "", fmt.Errorf("cannot read the saved definition: %w", err)
	}
	if _, ok := ownerOf(x); !ok {
		return "", errors.New("cannot fork a guest without an owner mark")
	}
	d.Name, d.UUID, d.ID = w.name, w.uuid, nil
	d.Metadata = &libvirtxml.DomainMetadata{XML: ownerMark(w.runID, w.guest)}
	if d.Devices == nil || len(d.Devices.Interfaces) != 1 || len(d.Devices.Serials) != 1 {
		return "", errors.New("cannot fork a guest that has not one network card and one serial port")
	}
	if err := rewireDisk(d.Devices.Disks, disk); err != nil {
		return "", err
	}
	if d.OS != nil && d.OS.NVRam != nil {
		if d.OS.NVRam.Source != nil {
			d.OS.NVRam.Source.File = &libvirtxml.DomainDiskSourceFile{File: w.nvram}
		} else {
			d.OS.NVRam.NVRam = w.nvram
		}
	}
	card := d.Devices.Interfaces[0].Source
	if card == nil || card.Client == nil {
		return "", errors.New("cannot fork a guest whose network card is not a client of the harness")
	}
	card.Client.Port = w.port
	// A console element repeats the serial port it stands for.
	ports := []*libvirtxml.DomainChardevSource{d.Devices.Serials[0].Source}
	for _, c := range d.Devices.Consoles {
		ports = append(ports, c.Source)
	}
	for _, p := range ports {
		if p == nil || p.UNIX == nil {
			return "", errors.New("cannot fork a guest whose serial port is not a unix socket")
		}
		p.UNIX.Path = w.serial
	}
	out, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("cannot write the fork's definition: %w", err)
	}
	return out, nil
}

func rewireDisk(disks []libvirtxml.DomainDisk, path string) error {
	found := false
	for i := range disks {
		d := &disks[i]
		if d.Device != "" && d.Device != "disk" || d.ReadOnly != nil {
			continue // the seed: all forks share it
		}
		if found || d.Source == nil || d.Source.File == nil {
			return errors.New("cannot fork a guest with other disks than one file")
		}
		found = true
		d.Source.File.File = path
		d.BackingStore = nil
	}
	if found != (path != "") {
		return fmt.Errorf("cannot fork: the saved guest's disk is %v, the fork's is %q", found, path)
	}
	return nil
}
