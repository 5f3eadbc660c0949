// Package site makes the download site of a release stage: static pages, feeds
// and stream metadata, from the state of the history alone.
//
//	index.html                       the streams
//	streams/STREAM/index.html        what is out, how to verify and start it
//	streams/STREAM/releases*.html    older releases, a page or more for each year
//	streams/STREAM/tests.html        recent builds and who passed what
//	streams/STREAM/history.html      what was decided, and why
//	streams/STREAM/builds/BUILD.html one build
//	streams/STREAM/keys/NAME.gpg     public keys, as gpgv reads them
//	streams/STREAM/stream.json       CoreOS stream metadata
//	streams/STREAM/releases.json     CoreOS release index
//	streams/STREAM/releases/BUILD.json  CoreOS release metadata
//	streams/STREAM/updates.json      CoreOS update metadata: rollouts, barriers, dead ends
//	streams/STREAM/releases.atom     a feed of releases and revocations
//
// Render is a pure function: the same input gives the same bytes. Write puts
// them in a folder and switches all of them at once; the files of one stream
// can be published with its pointer instead (see Render and Input.Only).
//
// The pages need no script, fetch nothing, and say in a Content-Security-Policy
// that they will not. Every text in them was written by others: it is cleaned
// (reports.Line), cut, and escaped by html/template. The number and size of
// pages is bounded, whatever the history holds.
//
// It needs nothing of the host.
package site
