package cloudinit

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Format is where cloud-init looks for the documents.
type Format string

// The formats an ISO is written in.
const (
	// NoCloud is a volume "cidata" with the documents in its root.
	// Source: cloud-init's documentation, "NoCloud".
	NoCloud Format = "nocloud"
	// ConfigDrive is a volume "config-2" as OpenStack Nova attaches it.
	// Source: Nova's user guide, "Config drives"; cloud-init, "ConfigDrive".
	ConfigDrive Format = "config-drive"
)

// Formats lists them, for a command's help.
func Formats() []Format { return []Format{NoCloud, ConfigDrive} }

// ParseFormat accepts the names above.
func ParseFormat(s string) (Format, error) {
	for _, f := range Formats() {
		if string(f) == s {
			return f, nil
		}
	}
	return "", &InputError{Err: fmt.Errorf("%.40q is not a seed format: want %s or %s", s, NoCloud, ConfigDrive)}
}

// Label is the volume's name, by which cloud-init finds it.
func (f Format) Label() string {
	if f == ConfigDrive {
		return "config-2"
	}
	return "cidata"
}

// openStackVersion is the metadata version beside "latest": Liberty, the first
// with network_data.json. A config drive always has dated folders, and
// cloud-init prefers the newest of those that it knows.
const openStackVersion = "2015-10-15"

// Document is one file of a seed.
type Document struct {
	// Name is the path inside the volume, without a leading slash.
	Name string
	// Data may hold secrets.
	Data []byte
}

// String tells the name and the size, never the content.
func (d Document) String() string { return fmt.Sprintf("%s (%d bytes)", d.Name, len(d.Data)) }

// Format prints String for every verb: a document may hold a private key.
func (d Document) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// LogValue implements slog.LogValuer.
func (d Document) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalJSON keeps the content out of JSON results.
func (d Document) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// metaData is NoCloud's meta-data.
type metaData struct {
	InstanceID    string `yaml:"instance-id"`
	LocalHostname string `yaml:"local-hostname"`
}

// openStackMeta is meta_data.json.
type openStackMeta struct {
	UUID             string `json:"uuid"`
	Hostname         string `json:"hostname"`
	Name             string `json:"name"`
	LaunchIndex      int    `json:"launch_index"`
	AvailabilityZone string `json:"availability_zone"`
}

// Documents renders the seed, sorted by name. The same seed gives the same
// bytes. A seed that fails Validate, or that the format cannot express, is an
// InputError.
func (s *Seed) Documents(f Format) ([]Document, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	user, err := s.userData()
	if err != nil {
		return nil, err
	}
	var docs []Document
	switch f {
	case NoCloud:
		docs, err = s.noCloud(user)
	case ConfigDrive:
		docs, err = s.configDrive(user)
	default:
		_, err = ParseFormat(string(f))
	}
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		if len(d.Data) > MaxDocument {
			return nil, &InputError{Field: d.Name, Err: fmt.Errorf("%d bytes, more than %d", len(d.Data), MaxDocument)}
		}
	}
	return docs, nil
}

func (s *Seed) noCloud(user []byte) ([]Document, error) {
	meta, err := marshalYAML(metaData{InstanceID: s.InstanceID, LocalHostname: s.Hostname})
	if err != nil {
		return nil, err
	}
	docs := []Document{{"meta-data", meta}}
	if s.Network != nil {
		network, err := s.Network.render()
		if err != nil {
			return nil, err
		}
		docs = append(docs, Document{"network-config", network})
	}
	return append(docs, Document{"user-data", user}), nil
}

func (s *Seed) configDrive(user []byte) ([]Document, error) {
	meta, err := marshalJSON(openStackMeta{UUID: s.InstanceID, Hostname: s.Hostname, Name: s.Hostname, AvailabilityZone: "nova"})
	if err != nil {
		return nil, err
	}
	var network []byte
	if s.Network != nil {
		if network, err = s.Network.renderOpenStack(); err != nil {
			return nil, err
		}
	}
	var docs []Document
	for _, version := range []string{openStackVersion, "latest"} {
		dir := "openstack/" + version + "/"
		docs = append(docs, Document{dir + "meta_data.json", meta})
		// An empty network_data.json would mean "no network"; without the file
		// the guest asks for an address.
		if network != nil {
			docs = append(docs, Document{dir + "network_data.json", network})
		}
		docs = append(docs, Document{dir + "user_data", user})
	}
	return docs, nil
}
