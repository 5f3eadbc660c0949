package cloudinit

import (
	"context"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "write-files", Title: "the seed's file (write_files) was written", Run: writeFiles,
})

// writeFilesLogScript prints what the log says of files.
const writeFilesLogScript = `
grep -h -i -E 'config-write.files|cc_write_files|Writing to /var/lib/assay' /var/log/cloud-init.log 2>/dev/null | tail -n 20
exit 0`

func writeFiles(ctx context.Context, t *check.T) error {
	return proven(ctx, t, part{proof: t.Env.WriteFilesProof, name: "file of write_files", log: writeFilesLogScript,
		undone: "the file of write_files was not written (is write_files among cloud_init_modules?)"})
}
