// Package demo holds what gori demo shows: excerpts of others' works with their
// licences; see ATTRIBUTION.md.
package demo

import "embed"

// Texts are the excerpts, and the licences they come with.
//
//go:embed *.txt *.csv *.md
var Texts embed.FS
