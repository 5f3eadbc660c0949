package host

import "context"

// atomic is a stub so far.
type atomic struct{ cli }

func (c atomic) Pull(context.Context, string) (Outcome, error) { return Outcome{}, c.lacks("pull") }
func (c atomic) Install(context.Context, ContainerOptions) (Outcome, error) {
	return Outcome{}, c.lacks("install")
}
func (c atomic) Start(context.Context, string) (Outcome, error) { return Outcome{}, c.lacks("start") }
func (c atomic) Status(context.Context, string) (Container, error) {
	return Container{}, c.lacks("status")
}
func (c atomic) List(context.Context) ([]Container, error) { return nil, c.lacks("list") }
func (c atomic) Update(context.Context, ContainerOptions) (Outcome, error) {
	return Outcome{}, c.lacks("update")
}
func (c atomic) Rollback(context.Context, string) (Outcome, error) {
	return Outcome{}, c.lacks("rollback")
}
func (c atomic) Uninstall(context.Context, string) (Outcome, error) {
	return Outcome{}, c.lacks("uninstall")
}
func (c atomic) Images(context.Context) ([]ContainerImage, error) { return nil, c.lacks("images") }
func (c atomic) Prune(context.Context) (Outcome, error)           { return Outcome{}, c.lacks("prune") }
