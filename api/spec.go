package api

import (
	_ "embed"
	"net/http"
)

// The protocol for machines. Tests hold both against the code.
var (
	//go:embed openapi.yaml
	openAPI []byte
	//go:embed frames.schema.json
	framesSchema []byte
)

func serveSpec(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(openAPI) // a client that has gone needs no answer
}

func serveFrames(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/schema+json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(framesSchema) // a client that has gone needs no answer
}
