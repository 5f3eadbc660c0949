package announce_test

import (
	"testing"

	"github.com/goccy/go-yaml"

	"assay/release/announce"
)

func TestConfigurationKeys(t *testing.T) {
	var m announce.MailConfig
	text := "server: mail.example.org:587\ntls: starttls\nca_file: /a\nuser: u\npassword_file: /b\nfrom: a@example.org\nto: [b@example.org]\nreply_to: c@example.org\nhello: assay.example.org\n"
	if err := yaml.UnmarshalWithOptions([]byte(text), &m, yaml.Strict()); err != nil || m.CAFile != "/a" || m.PasswordFile != "/b" || m.ReplyTo == "" {
		t.Errorf("%+v, %v", m, err)
	}
	var b announce.BusConfig
	text = "url: amqps://u@bus.example.org/%2Fpubsub\npassword_env: P\nca_file: /a\ncert_file: /b\nkey_file: /c\nexchange: amq.topic\ntopic_prefix: org.example.prod\nmessages: [assay, twoweek, coreos]\nversion: \"43\"\ncontact: {name: n, team: t, url: \"https://a\", docs: \"https://b\", irc: \"#c\", email: d@example.org}\n"
	if err := yaml.UnmarshalWithOptions([]byte(text), &b, yaml.Strict()); err != nil || b.KeyFile != "/c" || b.PasswordEnv != "P" || len(b.Messages) != 3 || b.Contact.IRC != "#c" {
		t.Errorf("%+v, %v", b, err)
	}
	if err := yaml.UnmarshalWithOptions([]byte("sever: x\n"), &m, yaml.Strict()); err == nil {
		t.Error("a typo is taken")
	}
}
