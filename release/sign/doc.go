// Package sign makes the signatures of a release and verifies them: CHECKSUM
// files in Fedora's form, detached signatures of images, the signatures of
// ostree commits (OpenPGP and ed25519), and an in-toto attestation of what was
// tested with what result.
//
// A Signer signs with one key. The secret is in a file, with a GnuPG agent, or
// with a signing service that is asked by a command or over the bus. Trust
// verifies, with public keys alone and by other programs (gpgv, sha256sum,
// ostree) than the ones that signed; a Signer asks it before it returns, a
// publisher before anything becomes public.
//
// It never puts a secret, a passphrase or what is signed into an argument, a log
// or an error. It needs gpgv and sha256sum on the host; gpg for keys with an
// agent; ostree for commits.
package sign
