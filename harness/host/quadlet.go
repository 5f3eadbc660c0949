package host

import "context"

// quadlet is a stub so far.
type quadlet struct{ cli }

func (c quadlet) Pull(context.Context, string) (Outcome, error) { return Outcome{}, c.lacks("pull") }
func (c quadlet) Install(context.Context, ContainerOptions) (Outcome, error) {
	return Outcome{}, c.lacks("install")
}
func (c quadlet) Start(context.Context, string) (Outcome, error) { return Outcome{}, c.lacks("start") }
func (c quadlet) Status(context.Context, string) (Container, error) {
	return Container{}, c.lacks("status")
}
func (c quadlet) List(context.Context) ([]Container, error) { return nil, c.lacks("list") }
func (c quadlet) Update(context.Context, ContainerOptions) (Outcome, error) {
	return Outcome{}, c.lacks("update")
}
func (c quadlet) Rollback(context.Context, string) (Outcome, error) {
	return Outcome{}, c.lacks("rollback")
}
func (c quadlet) Uninstall(context.Context, string) (Outcome, error) {
	return Outcome{}, c.lacks("uninstall")
}
func (c quadlet) Images(context.Context) ([]ContainerImage, error) { return nil, c.lacks("images") }
func (c quadlet) Prune(context.Context) (Outcome, error)           { return Outcome{}, c.lacks("prune") }
