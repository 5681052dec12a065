//go:build tools

// Package cluster has no code: the import keeps kube-apiserver and all it needs in go.mod and go.sum.
package cluster

import _ "k8s.io/kubernetes/cmd/kube-apiserver/app"
