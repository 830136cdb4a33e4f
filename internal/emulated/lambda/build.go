package lambda

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Build compiles a function as it is compiled for AWS, but for this machine's processor, and returns its bootstrap's path. root is Yagura's
// source tree, pkg the main package in it: "./functions/analyze". The result is under root/.cache; what is up to date isn't linked again.
func Build(ctx context.Context, root, pkg string) (string, error) {
	dir := filepath.Join(root, ".cache", "functions", strings.NewReplacer("./", "", "/", "-").Replace(pkg))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(dir, "lock")).Lock() // tests of several packages build the same function
	if err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	defer unlock()
	bootstrap := filepath.Join(dir, "bootstrap")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", bootstrap, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return bootstrap, nil
}
