// Package apispec turns what an ApiKey asks for into the words of the packages that decide about it, which know no
// Kubernetes.
package apispec
