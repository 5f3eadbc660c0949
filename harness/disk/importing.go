package disk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

// unpack reads the whole source, writes its disks into temporary files, checks them and
// returns the note on them, without the names of files.
func (i *importing) unpack(ctx context.Context, k kind) (*note, error) {
	var content io.Reader = i.meter
	coding := k.compression()
	stated := false // i.limit is what the file itself states
	if coding != artifact.Uncompressed {
		i.limit = i.opt.MaxSize
		if !i.opt.allowed {
			i.limit = min(i.limit, ratioFloor+ratio*i.src.id.Size)
		}
		if k == kindXZ {
			// The decoder accepts no stream without its index, nor one of another length than
			// the index says: a download that was cut short is known at once, and so is a bomb.
			size, err := xzUnpackedSize(i.src.file, i.src.id.Size, i.limit)
			switch {
			case err != nil:
				return nil, badInput("Fetch the image again and compare its checksum.", "its xz data is damaged or cut short: there is no sound index at its end")
			case size > i.limit:
				return nil, tooLarge(i.limit)
			}
			stated, i.limit = true, size
		}
		u, err := unpack(ctx, k, i.meter, i.cache.xz)
		if err != nil {
			return nil, err
		}
		defer u.Close()
		content = u
	}
	beyond := tooLarge(i.limit)
	if stated {
		beyond = badInput("Do not trust this file.", "it unpacks to more than the %s that its own index states", bytesText(i.limit))
	}
	peek := bufio.NewReaderSize(&boundedReader{content, i.limit, beyond}, headSize)
	head, err := peek.Peek(headSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	inner := k
	if coding != artifact.Uncompressed {
		if inner, err = i.recogniseInside(head, coding); err != nil {
			return nil, err
		}
	}

	format := artifact.Format(inner)
	var box *boxContent
	switch inner {
	case kindTar:
		format = artifact.VagrantLibvirt
		box, err = i.readBox(peek)
	case kindQCOW2:
		// Before a byte is written: a header that is refused costs nothing.
		if _, bad := parseQCOW2(head, i.opt.MaxVirtual); bad != nil {
			return nil, bad
		}
		err = i.saveWhole(ctx, k, peek)
	default:
		err = i.saveWhole(ctx, k, peek)
	}
	if err != nil {
		return nil, err
	}
	// To the very end: checksums come last, and the hash is of all the file.
	if _, err := io.Copy(io.Discard, peek); err != nil {
		return nil, err
	}
	if err := i.meter.drain(); err != nil {
		return nil, err
	}

	var n *note
	for _, t := range i.temps {
		f := artifact.Format(inner)
		if box != nil {
			f = artifact.QCOW2
		}
		seen, err := inspect(ctx, t.Name(), t.File, f, i.opt)
		if err != nil {
			return nil, err
		}
		if n == nil {
			n = seen.note(i.meter, format, coding)
		}
		n.Disks = append(n.Disks, noteDisk{Format: f, VirtualSize: seen.virtualSize})
	}
	if box != nil {
		n.Notes = append(n.Notes, box.compare(n.Disks[0].VirtualSize)...)
	}
	return n, nil
}

// recogniseInside tells what was compressed; one coding is removed, not two.
func (i *importing) recogniseInside(head []byte, coding artifact.Compression) (kind, error) {
	if len(head) == 0 {
		return kindOther, badInput("", "there is nothing inside its %s compression", coding)
	}
	inner, bad := recognise(head)
	if bad != nil {
		bad.Problem = fmt.Sprintf("inside its %s compression, %s", coding, bad.Problem)
		return kindOther, bad
	}
	if c := inner.compression(); c != artifact.Uncompressed {
		return kindOther, badInput("Remove the outer compression and name the result.", "it is compressed twice, with %s inside %s", c, coding)
	}
	return inner, nil
}

// saveWhole writes the content into one temporary file; a plain source is cloned where the file
// system shares blocks between files.
func (i *importing) saveWhole(ctx context.Context, k kind, content io.Reader) error {
	if k.compression() != artifact.Uncompressed {
		_, err := i.save(content)
		return err
	}
	t, err := i.temp()
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(t.Fd()), int(i.src.file.Fd())) == nil {
		return nil
	}
	w := &sparseWriter{file: t.File, room: i.room}
	return w.copyFrom(content)
}

// inspected is what the inside of a disk image told.
type inspected struct {
	virtualSize int64
	start       start
	notes       []string
}

func (s inspected) note(m *meter, f artifact.Format, coding artifact.Compression) *note {
	return &note{
		Version: noteVersion, Digest: m.digest(), Size: m.done, Format: f, Compression: coding,
		Arch: s.start.arch, Firmwares: s.start.firmwares, Firmware: s.start.reason, SectorSize: s.start.sectorSize, Notes: s.notes,
	}
}

// inspect checks that the file, whose absolute path is given for QEMU, is a sound image of that
// format within the limits, and looks at how it starts.
func inspect(ctx context.Context, path string, file *os.File, f artifact.Format, opt Options) (inspected, error) {
	fi, err := file.Stat()
	if err != nil {
		return inspected{}, fmt.Errorf("cannot look at image %s: %w", path, err)
	}
	if f == artifact.Raw {
		return inspectRaw(file, fi.Size(), opt)
	}
	head, err := readHead(file)
	if err != nil {
		return inspected{}, fmt.Errorf("cannot read image %s: %w", path, err)
	}
	h, bad := parseQCOW2(head, opt.MaxVirtual)
	if bad != nil {
		return inspected{}, bad
	}
	if fi.Size() > maxFile(opt) {
		return inspected{}, badInput("", "the file is %s; more than %s is refused", bytesText(fi.Size()), bytesText(maxFile(opt)))
	}
	if err := h.fits(file, fi.Size()); err != nil {
		return inspected{}, err
	}
	if err := checkQCOW2(ctx, path, h, fi.Size()); err != nil {
		return inspected{}, err
	}
	s := inspected{virtualSize: (h.size + 511) &^ 511, start: start{sectorSize: 512}}
	if h.dirty {
		s.notes = append(s.notes, "the qcow2 was not closed properly by the program that wrote it")
	}
	d, err := newQCOW2Disk(h, file, fi.Size())
	var l layout
	if err == nil {
		l, err = readLayout(d, h.size)
	}
	if err != nil {
		// QEMU found the image sound: the guest may start all the same.
		s.start.reason = fmt.Sprintf("the first sectors could not be read: %v", err)
		return s, nil
	}
	s.start = startOf(d, l)
	s.describe(l)
	return s, nil
}

// maxFile bounds the length of a qcow2: its metadata and snapshots come on top of the disk.
func maxFile(opt Options) int64 { return 2 * opt.MaxVirtual }

func inspectRaw(file io.ReaderAt, size int64, opt Options) (inspected, error) {
	switch {
	case size > opt.MaxVirtual:
		return inspected{}, badInput("", "its disk is %s; more than %s is refused", bytesText(size), bytesText(opt.MaxVirtual))
	case size%512 != 0:
		return inspected{}, badInput("Fetch the image again and compare its checksum.", "it is cut short: %d bytes are no whole number of sectors", size)
	}
	l, err := readLayout(file, size)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return inspected{}, badInput("Fetch the image again.", "it is cut short inside the first sector")
		}
		return inspected{}, err
	}
	if l.end > size {
		return inspected{}, badInput("Fetch the image again and compare its checksum.",
			"it is cut short: its partition table describes a disk of %s, the file has %s (%d bytes missing)", bytesText(l.end), bytesText(size), l.end-size)
	}
	s := inspected{virtualSize: size, start: startOf(file, l)}
	s.describe(l)
	return s, nil
}

// describe notes what a reader of the report should know of the layout.
func (s *inspected) describe(l layout) {
	if l.sectorSize != 512 {
		s.notes = append(s.notes, fmt.Sprintf("the partition table is made for sectors of %d bytes", l.sectorSize))
	}
	if l.end > s.virtualSize {
		s.notes = append(s.notes, fmt.Sprintf("the partition table describes a disk of %s, the disk has %s", bytesText(l.end), bytesText(s.virtualSize)))
	}
}
