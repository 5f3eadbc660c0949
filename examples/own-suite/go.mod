module example.com/own-suite

go 1.26.0

require (
	assay v0.0.0-00010101000000-000000000000
	github.com/onsi/gomega v1.44.0
)

// In a repository of your own: a version of Assay instead of a folder.
replace assay => ../..
