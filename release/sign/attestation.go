package sign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	testresult "github.com/in-toto/attestation/go/predicates/test_result/v0"
	statement "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"assay/artifact"
	"assay/release"
	"assay/reports"
)

// The types of in-toto's test result and of the DSSE envelope around it.
const (
	predicateType = "https://in-toto.io/attestation/test-result/v0.1"
	payloadType   = "application/vnd.in-toto+json"
)

// envelope is a DSSE envelope; []byte is base64 in JSON.
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     []byte              `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// encoding is what is signed: DSSE's pre-authentication encoding.
func (e *envelope) encoding() []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
}

// testStatement is the in-toto statement of one answer: an image, and which
// checks it passed.
func testStatement(a release.Artifact, build string, answer release.TestAnswered) ([]byte, error) {
	r := &testresult.TestResult{Result: "PASSED"}
	if strings.HasPrefix(answer.Results, "http://") || strings.HasPrefix(answer.Results, "https://") {
		r.Url = answer.Results
	}
	for _, id := range slices.Concat(answer.Passed, answer.PassedAdvisory) {
		r.PassedTests = append(r.PassedTests, string(id))
	}
	for _, c := range answer.Cases {
		switch {
		case c.Outcome == reports.Skipped:
		case c.Blocking && c.Known == nil:
			r.FailedTests = append(r.FailedTests, string(c.Check))
		default:
			r.WarnedTests = append(r.WarnedTests, string(c.Check))
		}
	}
	switch {
	case answer.Verdict != reports.Accepted || len(r.FailedTests) > 0:
		r.Result = "FAILED" // and released all the same, by a waiver
	case len(r.WarnedTests) > 0:
		r.Result = "WARNED"
	}
	slices.Sort(r.PassedTests)
	slices.Sort(r.WarnedTests)
	slices.Sort(r.FailedTests)
	r.Configuration = []*statement.ResourceDescriptor{{Name: "assay run " + answer.Run}, {Name: "build " + build}}
	raw, err := marshal(r)
	if err != nil {
		return nil, err
	}
	predicate := &structpb.Struct{}
	if err := protojson.Unmarshal(raw, predicate); err != nil {
		return nil, err
	}
	s := &statement.Statement{Type: statement.StatementTypeUri, PredicateType: predicateType, Predicate: predicate,
		Subject: []*statement.ResourceDescriptor{{Name: a.Name, Digest: map[string]string{"sha256": a.Digest.Hex()}}}}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("cannot attest the test of %s: %w", a.Name, err)
	}
	return marshal(s)
}

// marshal is protojson without the spaces that it adds at random.
func marshal(m proto.Message) ([]byte, error) {
	b, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Attested is one verified test result.
type Attested struct {
	Name   string
	Digest artifact.Digest
	// Result is PASSED, WARNED or FAILED.
	Result                 string
	Passed, Warned, Failed []string
}

// readStatement reads a statement; who signed it is for the caller to know.
func readStatement(payload []byte) (Attested, error) {
	var s statement.Statement
	if err := protojson.Unmarshal(payload, &s); err != nil {
		return Attested{}, err
	}
	if err := s.Validate(); err != nil {
		return Attested{}, err
	}
	if s.PredicateType != predicateType || len(s.Subject) != 1 {
		return Attested{}, fmt.Errorf("it is a %.80q of %d subjects, want a test result of one", s.PredicateType, len(s.Subject))
	}
	raw, err := protojson.Marshal(s.Predicate)
	if err != nil {
		return Attested{}, err
	}
	var r testresult.TestResult
	if err := protojson.Unmarshal(raw, &r); err != nil {
		return Attested{}, err
	}
	d, err := artifact.ParseDigest(s.Subject[0].Digest["sha256"])
	return Attested{Name: s.Subject[0].Name, Digest: d, Result: r.Result, Passed: r.PassedTests, Warned: r.WarnedTests, Failed: r.FailedTests}, err
}
