//go:build tools

// Package deploy has no code: the import keeps helm and all it needs in go.mod and go.sum.
package deploy

import _ "helm.sh/helm/v3/cmd/helm"
