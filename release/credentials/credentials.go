// Package credentials says where passwords and certificates are: in files or in
// variables of the environment, never in a configuration. They are read when
// they are needed, so that a new one needs no restart, and appear in no error.
package credentials

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"

	"assay/release"
)

// Secret says where a password is: a file, or a variable of the environment.
type Secret struct {
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"`
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// IsSet reports whether it names any place.
func (s Secret) IsSet() bool { return s.PasswordFile != "" || s.PasswordEnv != "" }

// Check refuses what names no place, or may be a password itself.
func (s Secret) Check() error {
	if s.PasswordFile != "" && s.PasswordEnv != "" {
		return errors.New("give password_file or password_env, not both")
	}
	if s.PasswordEnv != "" && !envName.MatchString(s.PasswordEnv) {
		return errors.New("password_env: want the name of a variable, not the password")
	}
	return nil
}

// maxSecret bounds a password, in bytes.
const maxSecret = 4 << 10

// Read returns the password, anew each time, so that a new one needs no restart.
func (s Secret) Read() (string, error) {
	p, where := os.Getenv(s.PasswordEnv), "the variable "+s.PasswordEnv
	if s.PasswordFile != "" {
		where = s.PasswordFile
		f, err := os.Open(s.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("cannot read the password: %w", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
		if err != nil {
			return "", fmt.Errorf("cannot read the password: %w", err)
		}
		p = string(bytes.TrimRight(b, "\r\n"))
	}
	if p == "" || len(p) > maxSecret || strings.ContainsAny(p, "\r\n\x00") {
		return "", fmt.Errorf("there is no password in %s: put it there on one line: %w", where, release.ErrPermanent)
	}
	return p, nil
}

// Certificates are the files of a TLS connection, all PEM.
type Certificates struct {
	// CAFile has what to trust instead of the system's certificates.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are the client's own, where the server asks for one.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Config is that of a connection to a host.
func (c Certificates) Config(host string) (*tls.Config, error) {
	t := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read certificates: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot read certificates: %s has none (PEM)", c.CAFile)
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errors.New("cert_file and key_file go together")
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the client's certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// IsLoopback reports whether a host is this one.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
