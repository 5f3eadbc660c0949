package engine

import (
	"sync"

	"assay/harness/guest"
)

// remembered is what this process knows of the guests it asked. An engine
// command takes seconds under emulation, and every check would ask the same:
// which engines there are and whether the common images are in.
var remembered = memory{known: map[guest.Guest][]string{}, images: map[imageKey]bool{}, infos: map[infoKey]Info{}}

type memory struct {
	mu     sync.Mutex
	known  map[guest.Guest][]string
	images map[imageKey]bool
	infos  map[infoKey]Info
}

// imageKey is an image in one user's storage of one engine of one guest.
type imageKey struct {
	guest     guest.Guest
	name      Name
	user, ref string
}

// infoKey is one boot of one user's engine.
type infoKey struct {
	guest      guest.Guest
	name       Name
	user, boot string
}

func (m *memory) info(k infoKey) (Info, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.infos[k]
	return i, ok
}

func (m *memory) setInfo(k infoKey, i Info) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.infos[k] = i
}

func (m *memory) engines(g guest.Guest) ([]string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names, ok := m.known[g]
	return names, ok
}

func (m *memory) setEngines(g guest.Guest, names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[g] = names
}

func (m *memory) hasImage(e Engine, ref string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.images[imageKey{e.t.Guest, e.Name, e.user, ref}]
}

func (m *memory) setImage(e Engine, ref string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.images[imageKey{e.t.Guest, e.Name, e.user, ref}] = true
}
