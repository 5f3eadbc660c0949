package host

import (
	"context"

	"assay/harness/guest"
)

// The ways to manage system containers.
const (
	Atomic  Tool = "atomic"
	Quadlet Tool = "quadlet"
)

// SystemContainers is one way to run containers as units of the host. Errors
// are as with Driver; a container that is not there is a *RefusedError with
// UnknownContainer.
type SystemContainers interface {
	Tool() Tool
	// Pull fetches an image to where Install takes it from.
	Pull(ctx context.Context, image string) (Outcome, error)
	// Install makes a unit of the image and does not start it.
	Install(ctx context.Context, o ContainerOptions) (Outcome, error)
	Start(ctx context.Context, name string) (Outcome, error)
	Status(ctx context.Context, name string) (Container, error)
	// List is every container, running or not.
	List(ctx context.Context) ([]Container, error)
	// Exec runs a command in the running container, as the runtime that runs it
	// offers. What the command says is in the Outcome; one that fails is a
	// *RefusedError.
	Exec(ctx context.Context, name string, command ...string) (Outcome, error)
	// Update changes image or settings (those that are set in o) and restarts.
	Update(ctx context.Context, o ContainerOptions) (Outcome, error)
	// Rollback returns to what was before the last Update.
	Rollback(ctx context.Context, name string) (Outcome, error)
	Uninstall(ctx context.Context, name string) (Outcome, error)
	// Images are those that Pull fetched; Prune takes away unused layers.
	Images(ctx context.Context) ([]ContainerImage, error)
	Prune(ctx context.Context) (Outcome, error)
}

// NewContainers is the way tool manages system containers of g. Unknown tools panic.
func NewContainers(tool Tool, g guest.Guest) SystemContainers {
	switch tool {
	case Atomic:
		return atomic{cli{tool: tool, g: g}}
	case Quadlet:
		return quadlet{cli{tool: tool, g: g}}
	}
	panic("host: unknown container tool " + string(tool))
}

// ContainerOptions describe a system container.
type ContainerOptions struct {
	// Name is the container's and its unit's, without ".service".
	Name  string
	Image string
	// Set are settings: what the image's templates replace (atomic), or the
	// container's environment (Quadlet).
	Set map[string]string
	// RootFS, with atomic, is the checkout of another container to share.
	RootFS string
	// Publish are "host:container" ports and Volumes "host:container" folders,
	// with Quadlet; atomic's images say that themselves.
	Publish, Volumes []string
}

// Container is one system container.
type Container struct {
	Name string
	// Image may be cut short by old tools.
	Image string
	// ImageID is the image's id or digest, where told.
	ImageID string
	Command string
	// Created is as told, its zone unknown: "2017-05-08 23:26".
	Created string
	// State is "running", "exited", "inactive", "failed", ... as told.
	State   string
	Running bool
	// Backend and Runtime are "ostree" and "runc", "docker", "podman", ...
	Backend, Runtime string
}

// ContainerImage is an image on the host.
type ContainerImage struct {
	Repository, Tag, ID string
	Created, Size       string
	// Type is "system", "docker", ...
	Type string
}
