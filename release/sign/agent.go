package sign

import (
	"context"
	"fmt"

	"assay/release/sign/program"
)

// agentKey signs through gpg, whose agent keeps the secret.
type agentKey struct{ Agent }

func (k *agentKey) sign(ctx context.Context, f form, p payload) ([]byte, error) {
	args := []string{"gpg", "--batch", "--no-tty", "--quiet", "--digest-algo", "SHA256", "--local-user", k.Fingerprint}
	if k.Homedir != "" {
		args = append(args, "--homedir", k.Homedir)
	}
	switch f {
	case clearsigned:
		args = append(args, "--clearsign")
	case armored:
		args = append(args, "--armor", "--detach-sign")
	case binary:
		args = append(args, "--detach-sign")
	default:
		return nil, fmt.Errorf("an OpenPGP key makes no %s signature", f)
	}
	return program.Run(ctx, program.Command{Args: args, Stdin: p.read, Limit: maxSignature})
}
