// Command gori is a chat system on sharded PostgreSQL: one program for the
// servers, the administration and the tools. Package command has what it does.
package main

import (
	"os"

	"gori/command"
)

func main() { os.Exit(command.Main()) }
