package reports

import "al.essio.dev/pkg/shellescape"

// Replay is the line to paste into a shell to run one check of one image
// again. Further arguments ("--firmware", "bios") stand before the image.
func Replay(image string, id CaseID, further ...string) string {
	args := append([]string{"assay", "run", "--check", string(id)}, further...)
	if len(image) > 0 && image[0] == '-' {
		args = append(args, "--")
	}
	return shellescape.QuoteCommand(append(args, image))
}
