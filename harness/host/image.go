package host

import "strings"

// Image is a container image that a host was deployed from.
type Image struct {
	// Name is the reference without its transport: "quay.io/example/os:latest".
	Name string
	// Transport is how it is fetched: "registry", "oci", "oci-archive",
	// "containers-storage", ...
	Transport string
	// Verification is how it is verified: "unverified", "signed", or
	// "remote:NAME" for the keys of an ostree remote; empty when not told.
	Verification string
	// Digest is the manifest's, with its algorithm.
	Digest string
}

// follow sets what a deployment follows from one name: an ostree refspec or a
// container image reference as rpm-ostree writes it.
func (d *Deployment) follow(name string) {
	name = strings.TrimPrefix(name, "ostree://")
	if img, ok := parseImage(name); ok {
		digest := ""
		if d.Image != nil {
			digest = d.Image.Digest
		}
		if img.Digest == "" {
			img.Digest = digest
		}
		d.Image = &img
		return
	}
	d.Origin = name
}

// parseImage reads an image reference with its verification and transport
// before it, as ostree-rs-ext defines them: "ostree-unverified-registry:NAME",
// "ostree-unverified-image:TRANSPORT:NAME", "ostree-image-signed:TRANSPORT:NAME",
// "ostree-remote-registry:REMOTE:NAME", "ostree-remote-image:REMOTE:TRANSPORT:NAME".
func parseImage(s string) (Image, bool) {
	kind, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Image{}, false
	}
	var img Image
	switch kind {
	case "ostree-unverified-registry":
		img = Image{Verification: "unverified", Transport: "registry", Name: rest}
	case "ostree-unverified-image", "ostree-image-signed":
		img.Verification = "unverified"
		if kind == "ostree-image-signed" {
			img.Verification = "signed"
		}
		img.Transport, img.Name, _ = strings.Cut(rest, ":")
	case "ostree-remote-registry":
		remote, name, _ := strings.Cut(rest, ":")
		img = Image{Verification: "remote:" + remote, Transport: "registry", Name: name}
	case "ostree-remote-image":
		remote, name, _ := strings.Cut(rest, ":")
		img.Verification = "remote:" + remote
		img.Transport, img.Name, _ = strings.Cut(name, ":")
	default:
		return Image{}, false
	}
	// skopeo's own name for a registry is docker, with two slashes.
	if img.Transport == "docker" {
		img.Transport = "registry"
	}
	if img.Transport == "registry" {
		img.Name = strings.TrimPrefix(img.Name, "//")
	}
	if img.Name == "" || img.Transport == "" {
		return Image{}, false
	}
	if _, digest, ok := strings.Cut(img.Name, "@"); ok {
		img.Digest = digest
	}
	return img, true
}

// IsImage reports whether what a deployment follows, as its origin names it, is a
// container image.
func IsImage(origin string) bool {
	_, ok := parseImage(strings.TrimPrefix(origin, "ostree://"))
	return ok
}

// Reference is the image as rpm-ostree writes it.
func (i Image) Reference() string {
	name := i.Name
	transport := i.Transport
	switch {
	case i.Verification == "signed":
		if transport == "registry" {
			transport, name = "docker", "//"+name
		}
		return "ostree-image-signed:" + transport + ":" + name
	case strings.HasPrefix(i.Verification, "remote:"):
		remote := strings.TrimPrefix(i.Verification, "remote:")
		if transport == "registry" {
			return "ostree-remote-registry:" + remote + ":" + name
		}
		return "ostree-remote-image:" + remote + ":" + transport + ":" + name
	case transport == "" || transport == "registry":
		return "ostree-unverified-registry:" + name
	}
	return "ostree-unverified-image:" + transport + ":" + name
}
