// Package disk turns an image file, however it was shipped, into a read-only
// base and makes overlays on it: qcow2 and raw, either of them under xz, gzip,
// zstd or bzip2, and Vagrant boxes for libvirt.
//
// What a file is, is told by its content, never by its name. A plain qcow2 or
// raw file is used where it lies; everything else is unpacked once into a cache
// keyed by the SHA-256 of the file as shipped. Image files come from outside and
// may be hostile: every size read from one is bounded, a qcow2 that refers to
// other files is refused, and no program is ever left to guess a format.
//
// It never writes to the file it was given, never boots anything and never
// decides where guests run.
//
// It needs of the host: qemu-img (Debian package qemu-utils), a local file system
// with flock for the cache, and, for speed only, the xz program.
package disk
