package usercheck

import (
	"fmt"
	"strconv"
	"strings"

	"assay/suites/check"
)

// environment is what a check is told, docs/own-checks.md has the list. What
// there is not is not set.
func (c Check) environment(t *check.T, mark string) map[string]string {
	e := t.Env
	env := map[string]string{
		"ASSAY_CHECK": string(c.ID()), "ASSAY_DIR": c.dir(), "ASSAY_TMP": c.dir() + "/" + scratchFolder,
		"AUTOPKGTEST_TMP": c.dir() + "/" + scratchFolder, "AUTOPKGTEST_REBOOT_MARK": mark,
		"ASSAY_SCALE": strconv.FormatFloat(t.Scale(), 'g', -1, 64), "ASSAY_ACCELERATOR": e.Accelerator,
		"ASSAY_USER": e.User, "ASSAY_HOSTNAME": e.Hostname, "ASSAY_REGISTRY": e.Registry.Addr,
	}
	images(env, "ASSAY_IMAGE_", e.Registry)
	if p := e.Private; p != nil {
		env["ASSAY_PRIVATE_REGISTRY"], env["ASSAY_PRIVATE_CA"] = p.Addr, p.CA
		env["ASSAY_PRIVATE_USER"], env["ASSAY_PRIVATE_PASSWORD"] = p.User, p.Password
	}
	if p := e.Packages; p != nil {
		env["ASSAY_PACKAGES"], env["ASSAY_PACKAGES_KEY"] = p.URL, p.Key
	}
	if r := e.Trees; r != nil {
		env["ASSAY_TREES"], env["ASSAY_TREES_REF"] = r.URL, r.Ref
		tree(env, "ASSAY_TREE_BOOTED", r.Booted)
		tree(env, "ASSAY_TREE_NEWER", r.Newer)
		for n, o := range r.Older {
			tree(env, fmt.Sprintf("ASSAY_TREE_OLDER_%d", n+1), o)
		}
	}
	for k, v := range env {
		if v == "" {
			delete(env, k)
		}
	}
	return env
}

// images sets a variable with the whole reference of each image, by its purpose.
func images(env map[string]string, prefix string, r check.Registry) {
	for purpose, ref := range r.Images {
		if r.Addr == "" {
			return
		}
		env[prefix+strings.ToUpper(strings.ReplaceAll(purpose, "-", "_"))] = r.Addr + "/" + ref
	}
}

func tree(env map[string]string, name string, t check.Tree) {
	env[name], env[name+"_VERSION"] = t.Commit, t.Version
}
