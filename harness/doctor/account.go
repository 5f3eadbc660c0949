package doctor

import (
	"bufio"
	"bytes"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// account is who QEMU runs as.
type account struct {
	name string
	uid  uint32
	gids []uint32
}

// qemuAccount is ourselves in session mode; else what qemu.conf says, else the distribution's
// default.
func (e *examination) qemuAccount() (account, bool) {
	if e.isSession() {
		return e.lookup(e.host.User)
	}
	conf := e.qemuConf()
	names := []string{"libvirt-qemu", "qemu"}
	if u := conf["user"]; u != "" {
		names = []string{strings.TrimPrefix(u, "+")}
	}
	for _, n := range names {
		a, ok := e.lookup(n)
		if !ok {
			continue
		}
		if g := conf["group"]; g != "" {
			if gid, ok := e.group(strings.TrimPrefix(g, "+")); ok {
				a.gids = append(a.gids, gid)
			}
		}
		return a, true
	}
	return account{}, false
}

// lookup reads passwd(5) and group(5): the account may be anybody's, and the
// programs that know networked ones say the same of a system account.
func (e *examination) lookup(name string) (account, bool) {
	for _, f := range e.table("etc/passwd", 4) {
		if f[0] != name && f[2] != name {
			continue
		}
		uid, ok1 := number(f[2])
		gid, ok2 := number(f[3])
		if !ok1 || !ok2 {
			return account{}, false
		}
		a := account{name: f[0], uid: uid, gids: []uint32{gid}}
		for _, g := range e.table("etc/group", 4) {
			if id, ok := number(g[2]); ok && slices.Contains(strings.Split(g[3], ","), a.name) {
				a.gids = append(a.gids, id)
			}
		}
		return a, true
	}
	return account{}, false
}

func (e *examination) group(name string) (uint32, bool) {
	for _, g := range e.table("etc/group", 3) {
		if g[0] == name || g[2] == name {
			return number(g[2])
		}
	}
	return 0, false
}

func (e *examination) table(file string, least int) (rows [][]string) {
	b, err := fs.ReadFile(e.host.FS, file)
	if err != nil {
		return nil
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if f := strings.Split(s.Text(), ":"); len(f) >= least {
			rows = append(rows, f)
		}
	}
	return rows
}

func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// may reports whether the account has all of the rights (a bit set of rwx) on a file, by
// its mode; access control lists are not looked at. known is false where the
// file system does not tell the owner.
func (a account) may(info fs.FileInfo, rights fs.FileMode) (yes, known bool) {
	if a.uid == 0 {
		return true, true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false, false
	}
	mode := info.Mode().Perm()
	switch {
	case st.Uid == a.uid:
		mode >>= 6
	case slices.Contains(a.gids, st.Gid):
		mode >>= 3
	}
	return mode&rights == rights, true
}
