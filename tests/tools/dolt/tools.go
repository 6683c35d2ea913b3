//go:build tools

// Names the command, so that `go mod tidy` keeps what it needs.
package tools

import _ "github.com/dolthub/dolt/go/cmd/dolt"
