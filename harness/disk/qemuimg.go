package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

// Limits of one qemu-img: a check reads tables only, seconds at most for an honest
// image; a hostile one gets no more than this.
const (
	qemuImgTime   = 2 * time.Minute
	qemuImgMemory = 2 << 30
	qemuImgOutput = 256 << 10
)

// qemuImg runs qemu-img under limits. A non-zero exit is in exit, not in err.
// Every caller passes the format: left to guess, QEMU takes a raw disk that a
// guest has written a qcow2 header into for a qcow2, and opens what that names.
func qemuImg(ctx context.Context, args ...string) (out, diag string, exit int, err error) {
	prog, err := exec.LookPath("qemu-img")
	if err != nil {
		return "", "", -1, &MissingProgramError{Program: "qemu-img", Package: "qemu-utils"}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, qemuImgTime, fmt.Errorf("qemu-img %s took longer than %s", args[0], qemuImgTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, prog, args...)
	cmd.Env = childEnv()
	cmd.WaitDelay = 5 * time.Second
	stdout, stderr := &cappedBuffer{limit: qemuImgOutput}, &cappedBuffer{limit: qemuImgOutput}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return "", "", -1, fmt.Errorf("cannot start qemu-img: %w", err)
	}
	limitErr := limitChild(cmd.Process.Pid)
	err = cmd.Wait()
	if ctx.Err() != nil {
		return "", "", -1, fmt.Errorf("cannot run qemu-img %s: %w", args[0], context.Cause(ctx))
	}
	var ee *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &ee) && ee.Exited():
	default:
		return "", "", -1, fmt.Errorf("cannot run qemu-img %s: %w: %s", args[0], err, lastLine(stderr.String()))
	}
	if limitErr != nil {
		return "", "", -1, fmt.Errorf("cannot limit qemu-img: %w", limitErr)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), nil
}

// limitChild bounds the memory and processor time of a child that reads foreign data.
func limitChild(pid int) error {
	for res, v := range map[int]uint64{
		unix.RLIMIT_AS:   qemuImgMemory,
		unix.RLIMIT_CPU:  uint64(qemuImgTime / time.Second),
		unix.RLIMIT_CORE: 0,
	} {
		// ESRCH: it has ended already, within its limits.
		if err := unix.Prlimit(pid, res, &unix.Rlimit{Cur: v, Max: v}, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// childEnv is all a child gets: no option variables (XZ_OPT), messages in English.
func childEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
}

// cappedBuffer keeps the first limit bytes and swallows the rest.
type cappedBuffer struct {
	b     strings.Builder
	limit int
}

func (c *cappedBuffer) Write(p []byte) (int, error) {
	c.b.Write(p[:min(len(p), c.limit-c.b.Len())])
	return len(p), nil
}

func (c *cappedBuffer) String() string { return c.b.String() }

var couldNotOpen = regexp.MustCompile(`^Could not open '[^']*': `)

// said is what qemu-img says first, without its own name and the file's: that may
// be a temporary one of ours. Hints follow, and warnings come before.
func said(diag string) string {
	for l := range strings.Lines(strings.TrimSpace(diag)) {
		l = strings.TrimPrefix(strings.TrimSpace(l), "qemu-img: ")
		if !strings.HasPrefix(l, "warning: ") {
			return couldNotOpen.ReplaceAllString(l, "")
		}
	}
	return lastLine(diag)
}

// lastLine is the last line that says something, without "qemu-img: ".
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimPrefix(strings.TrimSpace(lines[len(lines)-1]), "qemu-img: ")
}

// checkQCOW2 lets qemu-img open and check the whole structure of a qcow2 whose
// header the harness has read as h, and compares what both saw.
func checkQCOW2(ctx context.Context, path string, h *qcow2Header, fileSize int64) error {
	out, diag, exit, err := qemuImg(ctx, "info", "-U", "--output=json", "-f", "qcow2", path)
	if err != nil {
		return err
	}
	if exit != 0 {
		return badInput("Fetch or build the image again.", "QEMU cannot open it: %s", said(diag))
	}
	var info struct {
		VirtualSize int64  `json:"virtual-size"`
		Format      string `json:"format"`
		Encrypted   bool   `json:"encrypted"`
		Backing     string `json:"backing-filename"`
		Specific    struct {
			Data struct {
				DataFile string `json:"data-file"`
				Corrupt  bool   `json:"corrupt"`
			} `json:"data"`
		} `json:"format-specific"`
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil {
		return fmt.Errorf("cannot read the answer of qemu-img info: %w", err)
	}
	if info.VirtualSize != (h.size+511)&^511 && info.VirtualSize != h.size || info.Format != "qcow2" ||
		info.Encrypted || info.Backing != "" || info.Specific.Data.DataFile != "" || info.Specific.Data.Corrupt {
		return badInput("Fetch or build the image again.", "QEMU reads its qcow2 header otherwise than this program does, so it is not trusted")
	}

	out, diag, exit, err = qemuImg(ctx, "check", "--output=json", "-f", "qcow2", path)
	if err != nil {
		return err
	}
	var check struct {
		End         int64 `json:"image-end-offset"`
		Corruptions int64 `json:"corruptions"`
		Errors      int64 `json:"check-errors"`
	}
	_ = json.Unmarshal([]byte(out), &check) // stays empty when there is no report; exit tells
	if check.End > fileSize+h.clusterSize() {
		return cutShort(check.End, fileSize)
	}
	switch exit {
	case 0, 3: // 3: clusters that nothing uses; harmless
		return nil
	case 2:
		first, _, _ := strings.Cut(strings.TrimSpace(diag), "\n")
		return badInput("Fetch the image again and compare its checksum.",
			"it is damaged or cut short: qemu-img check found %d errors (first: %s)", check.Corruptions+check.Errors, first)
	}
	if strings.Contains(diag, "lock") {
		return badInput("Stop the guest that uses it, or name a copy.", "a running guest or another program has it open for writing")
	}
	return badInput("Fetch or build the image again.", "qemu-img cannot check it: %s", said(diag))
}

// maxBackingName is QEMU's bound on the name of a backing file in a qcow2.
const maxBackingName = 1023

// Overlay makes a new qcow2 at path that reads what it lacks from backing, whose
// format is given and never guessed. size is of the virtual disk, in bytes; 0 is the size of
// backing, and it must not be smaller. An existing path is an error, never overwritten. backing must not be written to as
// long as the overlay is used.
func Overlay(ctx context.Context, path, backing string, backingFormat artifact.Format, size int64) (err error) {
	if backingFormat != artifact.QCOW2 && backingFormat != artifact.Raw {
		return fmt.Errorf("cannot create overlay %s: a backing file of format %q is not possible", path, backingFormat)
	}
	// Absolute paths keep QEMU from reading "nbd:..." or "json:..." as something else than a file.
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("cannot create overlay %s: %w", path, err)
	}
	if backing, err = filepath.Abs(backing); err != nil {
		return fmt.Errorf("cannot create overlay %s: %w", path, err)
	}
	if len(backing) > maxBackingName {
		return fmt.Errorf("cannot create overlay %s: the path of its backing file is longer than %d bytes", path, maxBackingName)
	}
	if size < 0 {
		return fmt.Errorf("cannot create overlay %s: size %d is negative", path, size)
	}
	// qemu-img replaces what is there: only a name that was free a moment ago is handed to it.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("cannot create overlay %s: %w", path, fs.ErrExist)
		}
		return fmt.Errorf("cannot create overlay: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(path)
		}
	}()
	if err := f.Close(); err != nil {
		return fmt.Errorf("cannot create overlay: %w", err)
	}
	args := []string{"create", "-q", "-f", "qcow2", "-b", backing, "-F", string(backingFormat), path}
	if size > 0 {
		args = append(args, strconv.FormatInt((size+511)&^511, 10))
	}
	_, diag, exit, err := qemuImg(ctx, args...)
	if err != nil {
		return fmt.Errorf("cannot create overlay %s: %w", path, err)
	}
	if exit != 0 {
		return fmt.Errorf("cannot create overlay %s on %s: %s", path, backing, lastLine(diag))
	}
	return nil
}
