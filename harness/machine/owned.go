package machine

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"assay/harness/emulator"
)

// ownerNamespace names the owner mark in a domain's metadata. It never changes:
// a later version must find what an earlier one left.
const ownerNamespace = "urn:assay:owner:1"

const namePrefix = "assay-"

type ownerXML struct {
	XMLName xml.Name `xml:"urn:assay:owner:1 owner"`
	Run     string   `xml:"run,attr"`
	Guest   string   `xml:"guest,attr"`
}

// ownerMark is the metadata element; libvirt wants a prefix on it.
func ownerMark(runID, guest string) string {
	esc := func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
		return b.String()
	}
	return fmt.Sprintf(`<assay:owner xmlns:assay="%s" run="%s" guest="%s"></assay:owner>`, ownerNamespace, esc(runID), esc(guest))
}

// ownerOf finds the mark in a domain's definition.
func ownerOf(domain string) (o ownerXML, ok bool) {
	var d libvirtxml.Domain
	if err := d.Unmarshal(domain); err != nil || d.Metadata == nil {
		return ownerXML{}, false
	}
	dec := xml.NewDecoder(strings.NewReader("<m>" + d.Metadata.XML + "</m>"))
	for {
		tok, err := dec.Token()
		if err != nil {
			return ownerXML{}, false
		}
		if e, isStart := tok.(xml.StartElement); isStart && e.Name.Space == ownerNamespace && e.Name.Local == "owner" {
			err := dec.DecodeElement(&o, &e)
			return o, err == nil && o.Run != ""
		}
	}
}

// Owned is a domain that carries Assay's owner mark.
type Owned struct{ RunID, Name, UUID string }

// ListOwned lists every domain with an owner mark, whichever run made it. uri
// "" is DefaultURI. A session daemon that is not running has none and is not
// started for the question.
func ListOwned(ctx context.Context, uri string) ([]Owned, error) {
	var found []Owned
	err := withOwned(ctx, uri, func(_ *libvirt.Libvirt, d libvirt.Domain, o ownerXML) error {
		found = append(found, Owned{RunID: o.Run, Name: d.Name, UUID: formatUUID(d.UUID)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list what runs own: %w", err)
	}
	return found, nil
}

// DestroyOwned destroys every domain of that run and says how many there were.
// Emulators that libvirt does not show, as it is not there any more, are killed;
// an error of libvirt's stays, as it may know of more. A domain being restored is
// among them only once libvirt shows it: who wants to be sure asks until it has
// answered 0 for a while.
func DestroyOwned(ctx context.Context, uri, runID string) (n int, err error) {
	var failed []error
	err = withOwned(ctx, uri, func(l *libvirt.Libvirt, d libvirt.Domain, o ownerXML) error {
		if o.Run != runID {
			return nil
		}
		switch err := l.DomainDestroy(d); {
		case err == nil:
			n++
		case !isNoDomain(err):
			failed = append(failed, fmt.Errorf("%s: %w", d.Name, err))
		}
		return nil
	})
	killed, kerr := emulator.Kill(runID)
	n += killed
	if err = errors.Join(append(failed, err)...); err == nil && kerr != nil {
		// Libvirt's emulators are another user's; that it shows none is enough.
		return n, nil
	}
	if err = errors.Join(err, kerr); err != nil {
		return n, fmt.Errorf("cannot destroy the guests of run %s: %w", runID, err)
	}
	return n, nil
}

func withOwned(ctx context.Context, uri string, f func(*libvirt.Libvirt, libvirt.Domain, ownerXML) error) error {
	at, err := newEndpoint(uri, os.Getenv)
	if err != nil {
		return err
	}
	if at.session {
		c, err := at.dialOnce(ctx)
		if isNoDaemon(err) {
			return nil
		}
		if err != nil {
			return err
		}
		c.Close()
	}
	s := session{at: at}
	defer s.close()
	return s.call(ctx, "ConnectListAllDomains", destroyLimit, func(l *libvirt.Libvirt) error {
		all, _, err := l.ConnectListAllDomains(1, libvirt.ConnectListDomainsActive|libvirt.ConnectListDomainsInactive)
		if err != nil {
			return err
		}
		for _, d := range all {
			if !strings.HasPrefix(d.Name, namePrefix) {
				continue
			}
			x, err := l.DomainGetXMLDesc(d, 0)
			if isNoDomain(err) {
				continue
			}
			if err != nil {
				return fmt.Errorf("cannot read the definition of %s: %w", d.Name, err)
			}
			if o, ok := ownerOf(x); ok {
				if err := f(l, d, o); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
