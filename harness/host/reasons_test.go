package host

import "testing"

func TestReasonOfNetworks(t *testing.T) {
	for said, want := range map[string]Reason{
		"error: While pulling os: While fetching http://x/repo/config: [28] Timeout was reached":   Unreachable,
		"error: While fetching http://x/repo/objects/ab/c.filez: [18] Transferred a partial file":  Unreachable,
		"error: While fetching http://x/repo/refs: [7] Couldn't connect to server":                 Unreachable,
		"error: While fetching http://x/repo/refs: [56] Failure when receiving data from the peer": Unreachable,
		"error: Server returned HTTP 503": Unreachable,
		"error: Server returned HTTP 404": UnknownVersion,
		"error: Server returned HTTP 403": "",
		"Error: reading manifest 1 in r/os: received unexpected HTTP status: 502 Bad Gateway":                                                 Unreachable,
		`error: pinging container registry r: Get "http://r/v2/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`: Unreachable,
		`error: Get "http://r/v2/": EOF`:                                                          Unreachable,
		"error: copying blob: unexpected EOF":                                                     Unreachable,
		`dial tcp 192.0.2.1:5000: connect: connection refused`:                                    Unreachable,
		`read tcp 192.0.2.1:5000: read: connection reset by peer`:                                 Unreachable,
		`dial tcp 192.0.2.1:5000: connect: no route to host`:                                      Unreachable,
		`dial tcp 192.0.2.1:5000: i/o timeout`:                                                    Unreachable,
		"error: Status code: 500 for http://x/repodata/repomd.xml":                                Unreachable,
		"error: reading manifest 9 in r/os: manifest unknown":                                     UnknownImage,
		"error: Timeout was reached":                                                              "", // of D-Bus: the daemon did not answer
		"error: While fetching http://x/repo/refs/heads/no: [22] HTTP response code said error":   "",
		"error: requested URL returned error: 404":                                                UnknownVersion,
		"error: No such branch 'no' in repository summary\nerror: While fetching x: [18] Partial": UnknownVersion,
	} {
		if got := ReasonOf(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
