package history

import (
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

// embed starts a server inside this process. It listens nowhere: only this
// process reaches it.
func embed(store string, log func(string, ...any)) (*server.Server, error) {
	if err := os.MkdirAll(store, 0o700); err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "assay", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: store, DisableJetStreamBanner: true,
		// Without it the store is synchronised every two minutes, and a power
		// cut takes what was acknowledged since.
		SyncAlways: true,
		// Consumers' states only.
		JetStreamMaxMemory: 64 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot start the event store in %s: %w", store, err)
	}
	s.SetLogger(serverLog{log}, false, false)
	go s.Start()
	if !s.ReadyForConnections(callTimeout) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("cannot start the event store in %s: it was not ready after %s", store, callTimeout)
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, errors.New("cannot start the event store: JetStream is off; its log says why")
	}
	return s, nil
}

// StoreSays begins what Options.Log is told of the event store's own words.
const StoreSays = "event store: "

// serverLog passes on what the server warns of.
type serverLog struct{ log func(string, ...any) }

func (l serverLog) Noticef(string, ...any)         {}
func (l serverLog) Debugf(string, ...any)          {}
func (l serverLog) Tracef(string, ...any)          {}
func (l serverLog) Warnf(format string, v ...any)  { l.log(StoreSays+format, v...) }
func (l serverLog) Errorf(format string, v ...any) { l.log(StoreSays+format, v...) }
func (l serverLog) Fatalf(format string, v ...any) { l.log(StoreSays+format, v...) }
