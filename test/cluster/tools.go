//go:build tools

// Package cluster has no code: the import keeps kube-apiserver, kubectl and all they need in go.mod and go.sum.
package cluster

import (
	_ "k8s.io/kubectl/pkg/cmd"
	_ "k8s.io/kubernetes/cmd/kube-apiserver/app"
)
